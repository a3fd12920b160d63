"""What every view is drawn in: the reader's choices in the address, the data behind, errors as sentences."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamlit as st
from markupsafe import Markup
from sqlalchemy import Engine

from leadops.dashboard import markup as m
from leadops.dashboard.moments import Clock
from leadops.domain.keys import Keyring
from leadops.errors import LeadopsError
from leadops.playbook.model import Playbook

REFRESH_S = 10
KEEP_S = 8.0
"""How long an answer of the database is shown to other readers and reruns."""

log = logging.getLogger("leadops.dashboard")


@dataclass(frozen=True)
class Sources:
    """Where a view reads. ``keyring`` is asked for only by the view of one lead."""

    engine: Engine
    playbook: Callable[[], Playbook]
    keyring: Callable[[], Keyring]


@dataclass(frozen=True)
class View:
    """What a view is given: its sources and how its reader reads time."""

    sources: Sources
    zone: str

    @property
    def engine(self) -> Engine:
        return self.sources.engine

    def clock(self) -> Clock:
        """At this moment: a part that refreshes itself asks again."""
        return Clock(datetime.now(UTC), self.zone)

    def at(self, view: str, **parameters: str | None) -> dict[str, str]:
        """Parameters of a link to another view, in the same zone."""
        zone = None if self.zone == "UTC" else self.zone
        given = {"view": view, **parameters, "tz": zone}
        return {name: value for name, value in given.items() if value}

    def lead(self, lead_id: str, text: str | None = None) -> Markup:
        """A lead's name (its id where there is none) as a link to its page."""
        return m.link(text or lead_id, self.at("lead", lead=lead_id), data_lead=lead_id)


def show(*parts: Markup | None) -> None:
    """Draw what was made by ``markup``."""
    st.html(str(m.join(parts)))


def styles() -> None:
    """The looks of everything ``markup`` makes."""
    st.html(Path(__file__).with_name("styles.css"))


def choice(
    label: str,
    options: Sequence[str],
    name: str,
    words: Callable[[str], str] = str,
    *,
    style: str = "select",
    visible: bool = True,
) -> str:
    """One of ``options`` (the first by default), kept in the address under ``name``.

    The address is what counts: the back button and a link somebody sent choose as a click does.
    """
    given = st.query_params.get(name)
    chosen = given if given is not None and given in options else options[0]
    key = f"choice-{name}"
    st.session_state[key] = chosen

    def keep() -> None:
        value = st.session_state.get(key)
        if value is None or value == options[0]:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value

    shown: dict[str, Any] = {
        "format_func": words,
        "key": key,
        "on_change": keep,
        "label_visibility": "visible" if visible else "collapsed",
    }
    if style == "select":
        drawn = st.selectbox(label, options, **shown)
    else:
        drawn = st.segmented_control(label, options, required=True, **shown)
    return str(drawn) if drawn in options else chosen


_SAY = {
    "db_unreachable": "The database does not answer. The page tries again by itself; `leadops db start` "
    "(or `leadops up`) starts the embedded one.",
    "db_42P01": "The database does not hold our tables yet: run leadops db upgrade.",
    "db_42703": "The tables are of another version than this page: run leadops db upgrade.",
    "db_57014": "The database took too long over this and was told to stop. Nothing is wrong with the rest.",
    "db_55P03": "The tables are being replaced at this moment. The page tries again by itself.",
}


def guarded(draw: Callable[..., None], *given: Any) -> bool:
    """Draw, or say in a sentence why not: no traceback on the page, nobody's data in the server's log."""
    try:
        draw(*given)
    except LeadopsError as error:
        _say(error.code, _SAY.get(error.code, str(error)))
        return False
    except Exception as error:  # noqa: BLE001 - whatever it is, its message may quote a person
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        log.error("view failed: %s at %s", type(error).__name__, place)  # noqa: TRY400 - no message, no values
        _say("failed", f"This view failed ({type(error).__name__}). The rest of leadops goes on without it.")
        return False
    return True


def _say(code: str, sentence: str) -> None:
    show(m.tag("p", sentence, class_="lo-hint", role="alert", data_code=code))


@st.fragment(run_every=REFRESH_S)
def try_again() -> None:
    """Draw the whole page again after a while: for what was not there."""
    if st.session_state.get("tried"):
        st.session_state["tried"] = False
        st.rerun()
    st.session_state["tried"] = True
