"""How good a lead is, by the playbook's scorecard: inputs, points, tier, and a reason in words.

Belongs here: what a signal may look at (INPUTS) and how rules turn it into points. The rules themselves are
the playbook's. Opens are not an input: mail clients fetch images by themselves (R13).

The total is 100 x (points of fit, at most its cap, + points of engagement, at most its cap) / (the most that
this can be), not below 0. Points above zero of a signal with a half-life are multiplied by
0.5 ** (days since they last did something / half-life).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from leadops.domain import firmographics
from leadops.domain.placeholders import is_placeholder
from leadops.playbook.model import Disqualifier, Group, Scorecard, Signal
from leadops.terms import EventKind, EvidenceField, LeadState, Score, SignalPoints, Tier

INPUTS: Mapping[str, str] = {
    "company_size": "Employees (int): enriched, else as given",
    "title": "Job title (text): enriched, else as given, else its level (vp, director, ...)",
    "title_level": "Level of the title: " + ", ".join(firmographics.TITLE_LEVELS),
    "domain": "Their company's domain (text), none where the address is free-mail",
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

DAYS = "days_since_engagement"
GROUPS: tuple[Group, ...] = ("fit", "engagement")
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
        "title": enriched("title") or _said(state.title) or enriched("title_level"),
        "title_level": enriched("title_level"),
        "domain": enriched("domain") or state.domain,
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

    The total is the share of all points that can be earned, 0..100. The inputs hash covers what the rules
    read and the scorecard's version, so an unchanged hash means an unchanged score.
    """
    read = {field: canonical(field, inputs.get(field)) for field in fields_read(scorecard)}
    days = read.get(DAYS)
    matches = {s.name: _match(s, read[s.field]) for s in scorecard.signals}
    left = {s.name: weight(s, days) for s in scorecard.signals}
    earned = {s.name: decayed(matches[s.name][0], left[s.name]) for s in scorecard.signals}
    out = _ruled_out(read, scorecard)
    groups = {
        group: capped(
            math.fsum(earned[s.name] for s in scorecard.signals if s.group == group), group, scorecard
        )
        for group in GROUPS
    }
    most = attainable(scorecard)
    total = rounded(100 * math.fsum(groups.values()) / most)
    tier = Tier.COLD if out else tier_of(total, scorecard)
    if not any(s.half_life_days and earned[s.name] > 0 for s in scorecard.signals):
        # Another day changes nothing: no new score for it.
        read = {f: v for f, v in read.items() if f != DAYS or any(s.field == DAYS for s in scorecard.signals)}
    return Score(
        total=total,
        tier=tier,
        signals=tuple(
            SignalPoints(
                s.name,
                _shown(read[s.field]),
                earned[s.name],
                s.max_points,
                s.group,
                _rule(s, read[s.field], matches[s.name][1]),
                *((days, s.half_life_days) if earned[s.name] > 0 and left[s.name] < 1 else ()),
            )
            for s in scorecard.signals
        ),
        scorecard_version=scorecard.version,
        inputs_hash=_hash({"scorecard": scorecard.version, "inputs": read}),
        reason=_reason(total, tier, scorecard, read, earned, out),
        fit=groups["fit"],
        engagement=groups["engagement"],
        disqualified=out,
        attainable=most,
    )


def ruled_out(inputs: Mapping[str, Any], scorecard: Scorecard) -> str | None:
    """The name of the first disqualifier that applies to ``inputs`` (as in ``score``)."""
    fields = {d.field for d in scorecard.disqualifiers}
    return _ruled_out({field: canonical(field, inputs.get(field)) for field in fields}, scorecard)


def _ruled_out(read: Mapping[str, Any], scorecard: Scorecard) -> str | None:
    return next((d.name for d in scorecard.disqualifiers if applies(d, read[d.field])), None)


@lru_cache(maxsize=64)
def _fields_read(fields: tuple[str, ...], decays: bool) -> tuple[str, ...]:
    return tuple(sorted({*fields, *((DAYS,) if decays else ())}))


def fields_read(scorecard: Scorecard) -> tuple[str, ...]:
    """The inputs that ``scorecard`` looks at."""
    fields = (*(s.field for s in scorecard.signals), *(d.field for d in scorecard.disqualifiers))
    return _fields_read(fields, any(s.half_life_days for s in scorecard.signals))


def tier_of(total: float, scorecard: Scorecard) -> Tier:
    """By the scorecard's thresholds."""
    return Tier.HOT if total >= scorecard.hot else Tier.WARM if total >= scorecard.warm else Tier.COLD


def attainable(scorecard: Scorecard) -> float:
    """The points that make 100: each group's maximum, at most its cap."""
    return math.fsum(
        capped(math.fsum(s.max_points for s in scorecard.signals if s.group == group), group, scorecard)
        for group in GROUPS
    )


def capped(earned: float, group: Group, scorecard: Scorecard) -> float:
    """Points of one group, not above its cap."""
    return min(earned, scorecard.caps.get(group, math.inf))


def rounded(total: float) -> float:
    """Into 0..100, to six places: what two ways to add the same points agree on."""
    return round(min(max(total, 0.0), 100.0), 6)


def weight(signal: Signal, days: Any) -> float:
    """What is left of a signal's points ``days`` after they last did something; unknown: all."""
    if signal.half_life_days is None or not isinstance(days, int | float):
        return 1.0
    return float(0.5 ** (max(days, 0) / signal.half_life_days))  # a clock ahead forgets nothing


def decayed(earned: float, left: float) -> float:
    """Only what speaks for a lead is forgotten."""
    return earned * left if earned > 0 else earned


def applies(rule: Disqualifier, value: Any) -> bool:
    """Whether it disqualifies a lead with this (canonical) value."""
    if value is None:
        return False
    text = _shown(value).casefold()
    if rule.equals:
        return any(text == " ".join(entry.split()).casefold() for entry in rule.equals)
    return any(_whole_word(word).search(text) for word in rule.contains)


def _said(text: str | None) -> str | None:
    return None if text is None or is_placeholder(text) else text


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


def canonical(field: str, value: Any) -> Any:
    """One form per meaning: None for unknown, ints where whole, text trimmed; days whole."""
    if _is_missing(value):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if math.isfinite(value) and (field == DAYS or value == int(value)):
            return math.floor(value)
        return value
    return " ".join(unicodedata.normalize("NFKC", str(value)).split())


def points(signal: Signal, value: Any) -> float:
    """What a (canonical) value earns by the best matching rule, before any decay."""
    return _match(signal, value)[0]


_Match = tuple[float, str | float | None]
"""Points, and the word, value or threshold that earned them; None where no rule matches."""


def _match(signal: Signal, value: Any) -> _Match:
    if value is None:
        return signal.missing, None
    if signal.equals:
        wanted = _shown(value).casefold()
        hits = [key for key in signal.equals if key.strip().casefold() == wanted]
        return _best(signal.equals, hits, signal.otherwise)
    if signal.contains:
        text = _shown(value).casefold()
        hits = [word for word in signal.contains if _whole_word(word).search(text)]
        return _best(signal.contains, hits, signal.otherwise)
    try:
        number = float(value)
    except ValueError:  # text where a number was expected: as good as not known
        return signal.missing, None
    reached = max((threshold for threshold in signal.at_least if number >= threshold), default=None)
    return (signal.otherwise, None) if reached is None else (signal.at_least[reached], reached)


def _best(rules: Mapping[str, float], hits: Sequence[str], otherwise: float) -> _Match:
    best = max(hits, key=lambda hit: rules[hit], default=None)
    return (otherwise, None) if best is None else (rules[best], best)


_UNNAMED = ", which no rule names"


def _rule(signal: Signal, value: Any, matched: str | float | None) -> str:
    """Which rule earned the points, for a rep: title 'VP Sales' has 'vp'."""
    name = signal.field.replace("_", " ")
    if value is None:
        return f"{name} not known"
    if signal.contains:
        what = f"{name} '{_clipped(value)}'"
        return f"{what}{_UNNAMED}" if matched is None else f"{what} has '{matched}'"
    phrase = f"no {name}" if value == 0 and signal.field != DAYS else _phrase(signal.field, value)
    if signal.equals:
        return f"{phrase}{_UNNAMED}" if matched is None else phrase
    if matched is not None:
        return phrase if matched == value else f"{phrase} ({_shown(matched)} or more)"
    return phrase if value == 0 else f"{phrase} (fewer than {_shown(min(signal.at_least))})"


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
    total: float,
    tier: Tier,
    scorecard: Scorecard,
    values: Mapping[str, Any],
    earned: Mapping[str, float],
    out: str | None,
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
    if out:
        return f"Disqualified ({out}): {what}"
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
    "title_level": lambda v: f"level {_clipped(v)}",
    "domain": lambda v: f"domain {_clipped(v)}",
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
