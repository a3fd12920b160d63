"""The page for analysts and reps: ``streamlit run`` runs this file, once per look of a reader.

It reads and never writes. Addresses are stable: ``?view=conversion``, ``?view=lead&lead=LEAD_ID``.
"""

from __future__ import annotations

import streamlit as st

from leadops.dashboard import (
    shell,
    view_conversion,
    view_handoffs,
    view_lead,
    view_overview,
    view_review,
    view_speed,
)
from leadops.dashboard.database import open_reader
from leadops.dashboard.moments import is_zone, zones
from leadops.domain.keys import Keyring
from leadops.playbook.model import Playbook
from leadops.settings import settings

VIEWS = {
    "overview": ("Overview", view_overview.draw),
    "conversion": ("Conversion", view_conversion.draw),
    "speed": ("Speed-to-lead", view_speed.draw),
    "handoffs": ("Handoffs", view_handoffs.draw),
    "review": ("Review", view_review.draw),
    "lead": ("Lead", view_lead.draw),
}


@st.cache_resource(show_spinner=False)
def _sources() -> shell.Sources:
    from leadops.runtime.databases import databases_of

    return shell.Sources(open_reader(databases_of(settings()).business), _playbook, _keyring)


@st.cache_resource(show_spinner=False, ttl=60)
def _playbook() -> Playbook:
    from leadops.playbook.loader import load

    return load(settings().playbook).playbook


@st.cache_resource(show_spinner=False)
def _keyring() -> Keyring:
    from leadops.runtime.secrets import secret

    return Keyring(secret(settings(), "secret_key").encode())


def _zone() -> str:
    """UTC unless the reader chose another; their browser's own stands second."""
    own = st.context.timezone
    first = ["UTC", *([own] if own and own != "UTC" and is_zone(own) else [])]
    options = [*first, *(z for z in zones() if z not in first)]
    return shell.choice(
        "Times in", options, "tz", lambda z: f"{z} (yours)" if z == own and z != "UTC" else z, visible=False
    )


def page() -> None:
    """The bar on top, then the view the address names."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html('<div class="lo-brand">leadops</div>', width="content")
        name = shell.choice(
            "View", list(VIEWS), "view", lambda v: VIEWS[v][0], style="segments", visible=False
        )
        with st.container(width=250):
            zone = _zone()
    _, draw = VIEWS[name]
    if not shell.guarded(_draw, draw, zone):
        shell.try_again()


def _draw(draw, zone: str) -> None:  # type: ignore[no-untyped-def]
    draw(shell.View(_sources(), zone))


st.set_page_config(page_title="leadops", layout="wide", initial_sidebar_state="collapsed")
shell.styles()
page()
