"""How good a lead is, by the playbook's scorecard: inputs, points, tier, and a reason in words.

Belongs here: what a signal may look at (INPUTS) and how rules turn it into points. The rules themselves are
the playbook's. Opens are not an input: mail clients fetch images by themselves (R13).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from leadops.domain import firmographics
from leadops.playbook.model import Scorecard, Signal
from leadops.terms import EventKind, EvidenceField, LeadState, Score, SignalPoints, Tier

INPUTS: Mapping[str, str] = {
    "company_size": "Employees (int): enriched, else as given",
    "title": "Job title (text): enriched, else as given, else its level (vp, director, ...)",
    "lead_source": "Marketing source of the first lead event (text)",
    "requested": "The strongest thing they did to become a lead: demo_requested, message_received, "
    "form_submitted, content_downloaded or lead_created",
    "pricing_views": "Views of the pricing page (int)",
    "page_views": "Pages viewed (int)",
    "business_email": "yes or no; unknown without an address",
    "human_clicks": "Clicks by people, not by link scanners (int)",
    "engagement": "Human clicks, human replies and content downloads together (int)",
    "country": "ISO 3166 alpha-2, lower or upper case",
    "industry": "Industry (text), enriched",
    "days_since_engagement": "Whole days since they last did something",
}

_STRONGEST_FIRST = (
    EventKind.DEMO_REQUESTED,
    EventKind.MESSAGE_RECEIVED,
    EventKind.FORM_SUBMITTED,
    EventKind.CONTENT_DOWNLOADED,
    EventKind.LEAD_CREATED,
)
_NAMED_IN_REASON = 3
_SECONDS_PER_DAY = 86_400


def inputs_of(state: LeadState, enrichment: Mapping[str, EvidenceField], now: datetime) -> dict[str, Any]:
    """The value of every name in INPUTS, None where unknown. What is enriched wins over what was given."""

    def enriched(name: str) -> Any:
        found = enrichment.get(name)
        return None if found is None or _is_missing(found.value) else found.value

    requested = next((kind.value for kind in _STRONGEST_FIRST if state.kinds.get(kind.value)), None)
    downloads = state.kinds.get(EventKind.CONTENT_DOWNLOADED.value, 0)
    size = firmographics.company_size(enriched("company_size"))
    return {
        "company_size": state.company_size if size is None else size,
        "title": enriched("title") or state.title or enriched("title_level"),
        "lead_source": None if state.source in ("", "(blank)") else state.source,
        "requested": requested,
        "pricing_views": state.pricing_views,
        "page_views": state.page_views,
        "business_email": _business_email(enriched("business_email"), state),
        "human_clicks": state.human_clicks,
        "engagement": state.human_clicks + state.human_replies + downloads,
        "country": enriched("country") or state.country,
        "industry": enriched("industry"),
        "days_since_engagement": _days_since(state.last_engagement_at, now),
    }


def score(inputs: Mapping[str, Any], scorecard: Scorecard) -> Score:
    """The score of ``inputs`` (names of INPUTS; an absent name is unknown).

    The total is the share of all points earned, 0..100. The inputs hash covers what the signals read and
    the scorecard's version, so an unchanged hash means an unchanged score.
    """
    values = {s.field: _canonical(s.field, inputs.get(s.field)) for s in scorecard.signals}
    earned = {s.name: _points(s, values[s.field]) for s in scorecard.signals}
    share = math.fsum(earned.values()) / math.fsum(s.max_points for s in scorecard.signals)
    total = round(min(max(100 * share, 0.0), 100.0), 6)
    tier = Tier.HOT if total >= scorecard.hot else Tier.WARM if total >= scorecard.warm else Tier.COLD
    return Score(
        total=total,
        tier=tier,
        signals=tuple(
            SignalPoints(s.name, _shown(values[s.field]), earned[s.name], s.max_points)
            for s in scorecard.signals
        ),
        scorecard_version=scorecard.version,
        inputs_hash=_hash({"scorecard": scorecard.version, "inputs": values}),
        reason=_reason(total, tier, scorecard, values, earned),
    )


def _business_email(enriched: Any, state: LeadState) -> str | None:
    if enriched is not None:
        yes = enriched is True or str(enriched).strip().lower() in ("yes", "true", "1")
        return "yes" if yes else "no"
    if not state.emails:
        return None
    return "yes" if state.domain else "no"


def _days_since(last: datetime | None, now: datetime) -> float | None:
    return None if last is None else max(0.0, (now - last).total_seconds() / _SECONDS_PER_DAY)


def _is_missing(value: Any) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and not value.strip()


def _canonical(field: str, value: Any) -> Any:
    """One form per meaning: None for unknown, ints where whole, text trimmed; days whole."""
    if _is_missing(value):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if math.isfinite(value) and (field == "days_since_engagement" or value == int(value)):
            return math.floor(value)
        return value
    return " ".join(unicodedata.normalize("NFKC", str(value)).split())


def _points(signal: Signal, value: Any) -> float:
    if value is None:
        return signal.missing
    if signal.equals:
        wanted = _shown(value).casefold()
        hits = [points for key, points in signal.equals.items() if key.strip().casefold() == wanted]
    elif signal.contains:
        text = _shown(value).casefold()
        hits = [points for word, points in signal.contains.items() if _whole_word(word).search(text)]
    else:
        return _at_least(signal, value)
    return max(hits, default=signal.otherwise)


def _at_least(signal: Signal, value: Any) -> float:
    try:
        number = float(value)
    except ValueError:  # text where a number was expected: as good as not known
        return signal.missing
    reached = [threshold for threshold in signal.at_least if number >= threshold]
    return signal.at_least[max(reached)] if reached else signal.otherwise


@lru_cache(maxsize=2048)
def _whole_word(word: str) -> re.Pattern[str]:
    text = " ".join(unicodedata.normalize("NFKC", word).casefold().split())
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _hash(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _reason(
    total: float, tier: Tier, scorecard: Scorecard, values: Mapping[str, Any], earned: Mapping[str, float]
) -> str:
    known = [s for s in scorecard.signals if values[s.field] is not None and earned[s.name] > 0]
    # Ties by name, so that the order of the scorecard's lines does not change the sentence.
    strongest = sorted(known, key=lambda s: (-earned[s.name], s.name))
    said: list[str] = []
    for signal in strongest:
        phrase = _phrase(signal.field, values[signal.field])
        if phrase not in said:
            said.append(phrase)
    what = ", ".join(said[:_NAMED_IN_REASON]) or "little is known yet"
    # Rounded down: a lead just below a threshold must not read as if it had reached it.
    return f"{tier.value.capitalize()} ({math.floor(total)}): {what}"


def _times(n: Any) -> str:
    return "once" if n == 1 else f"{_shown(n)} times"


def _plural(n: Any, one: str) -> str:
    return f"{_shown(n)} {one}" if n == 1 else f"{_shown(n)} {one}s"


_REQUESTED = {
    "demo_requested": "asked for a demo",
    "message_received": "wrote to us",
    "form_submitted": "filled in a form",
    "content_downloaded": "downloaded content",
    "lead_created": "entered as a lead",
}
_PHRASES: Mapping[str, Callable[[Any], str]] = {
    "company_size": lambda v: _plural(v, "employee"),
    "title": lambda v: f"title {_clipped(v)}",
    "lead_source": lambda v: f"source {_clipped(v)}",
    "requested": lambda v: _REQUESTED.get(str(v), _clipped(v)),
    "pricing_views": lambda v: f"viewed pricing {_times(v)}",
    "page_views": lambda v: f"read {_plural(v, 'page')}",
    "business_email": lambda v: "business address" if v == "yes" else "free-mail address",
    "human_clicks": lambda v: f"clicked {_times(v)}",
    "engagement": lambda v: f"engaged {_times(v)} before",
    "country": lambda v: f"in {_clipped(v).upper()}",
    "industry": lambda v: f"industry {_clipped(v)}",
    "days_since_engagement": lambda v: "active today" if v == 0 else f"active {_plural(v, 'day')} ago",
}


def _phrase(field: str, value: Any) -> str:
    found = _PHRASES.get(field)
    return found(value) if found else f"{field} {_clipped(value)}"


def _clipped(value: Any) -> str:
    text = _shown(value)
    return text if len(text) <= 40 else text[:39].rstrip() + "…"
