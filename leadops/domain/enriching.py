"""The enrichment waterfall: who is asked next about whom, what that may cost, and whose word counts.

A *source* is a provider in its place of the waterfall; a *key* is what it looks up (a company's domain, a
digest of a person), so that two leads with the same key share an answer. Known things are never asked for
again while they are fresh, whoever further down told them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from leadops.domain.addresses import registrable_domain
from leadops.domain.countries import country_code
from leadops.domain.enrolling import GONE
from leadops.domain.firmographics import TITLE_LEVELS, company_size
from leadops.terms import EvidenceField, ExitReason, LeadState

FIELDS: Mapping[str, str] = {
    "company_name": "Name of the company, as the provider writes it",
    "company_size": "Employees (int)",
    "country": "ISO 3166 alpha-2",
    "domain": "Registrable domain of the company",
    "industry": "Industry in plain words, lower case",
    "title": "Job title (text)",
    "title_level": "One of firmographics.TITLE_LEVELS",
}
"""What a provider may tell. Anything else it says is left with it."""

_LONGEST = 120
_CENT = 1e-9
"""Less than this is no money: sums of floats."""


@dataclass(frozen=True, slots=True)
class Source:
    """A provider in the waterfall. ``usd``: what one answer costs at most; ``bulk``: keys per request."""

    name: str
    tells: frozenset[str]
    usd: float = 0.0
    max_age: timedelta = timedelta(days=30)
    bulk: int = 1


@dataclass(frozen=True, slots=True)
class Known:
    """One source's word on one key, said at ``at``. No fields: it knows nobody of that key."""

    fields: Mapping[str, EvidenceField]
    at: datetime

    def is_fresh(self, max_age: timedelta, now: datetime) -> bool:
        """Whether there is no need to ask again."""
        return now - self.at < max_age


@dataclass(slots=True)
class Pursuit:
    """One lead in one pass. ``own``: fields it gave by its own words; ``keys``: source -> key.

    ``known``: source -> its word that counts now. ``closed``: sources not to be asked about it (any more) in
    this pass; true where it is worth asking them again later.
    """

    own: frozenset[str]
    keys: Mapping[str, str]
    known: dict[str, Known] = field(default_factory=dict)
    closed: dict[str, bool] = field(default_factory=dict)

    def lacks(self, wanted: Collection[str]) -> set[str]:
        """Wanted fields that neither the lead nor anybody asked has told."""
        told = {name for known in self.known.values() for name in known.fields}
        return set(wanted) - self.own - told


@dataclass(frozen=True, slots=True)
class Call:
    """One request that is to be made now; as many keys as its source takes at once."""

    source: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """``calls`` to make now. ``unpaid``: (source, lead) that were passed over because the budget is spent."""

    calls: tuple[Call, ...]
    unpaid: frozenset[tuple[str, str]]


def round_of(
    pursuits: Mapping[str, Pursuit],
    sources: Sequence[Source],
    wanted: Collection[str],
    *,
    left_usd: Mapping[str, float],
    free: Mapping[str, int],
    resting: Collection[str] = (),
    asking: Collection[tuple[str, str]] = (),
) -> Round:
    """What to ask now, leads first come first served. ``pursuits``: lead id -> Pursuit.

    ``left_usd``: what a source may still cost (absent: no limit); ``free``: requests it may be sent now;
    ``resting``: sources that are left alone for a while; ``asking``: (source, key) under way already.
    """
    left = {s.name: left_usd.get(s.name, inf) for s in sources}
    picked: dict[str, dict[str, None]] = defaultdict(dict)
    unpaid: set[tuple[str, str]] = set()
    under_way = set(asking)
    for lead_id, pursuit in pursuits.items():
        for source in _open(pursuit, sources, wanted, resting):
            key = pursuit.keys[source.name]
            if (source.name, key) in under_way:
                break  # its answer decides about the next one
            if source.usd > left[source.name] + _CENT:
                unpaid.add((source.name, lead_id))
                continue
            if len(picked[source.name]) < free.get(source.name, 0) * source.bulk:
                picked[source.name][key] = None
                under_way.add((source.name, key))
                left[source.name] -= source.usd
            break
    calls = tuple(Call(s.name, keys) for s in sources for keys in _parts(tuple(picked[s.name]), s.bulk))
    return Round(calls, frozenset(unpaid))


def _open(
    pursuit: Pursuit, sources: Sequence[Source], wanted: Collection[str], resting: Collection[str]
) -> Iterable[Source]:
    """The sources that may be asked about this lead now and could tell what it lacks, in their order."""
    lacks = pursuit.lacks(wanted)
    for source in sources:
        is_open = source.name in pursuit.keys and source.name not in pursuit.known
        may_be_asked = source.name not in pursuit.closed and source.name not in resting
        if is_open and may_be_asked and lacks & source.tells:
            yield source


def _parts(keys: tuple[str, ...], size: int) -> Iterable[tuple[str, ...]]:
    return (keys[i : i + size] for i in range(0, len(keys), size))


def worth_another_pass(
    pursuit: Pursuit,
    sources: Sequence[Source],
    wanted: Collection[str],
    unpaid: Collection[str] = (),
) -> bool:
    """Whether somebody who could not tell in this pass may tell what the lead still lacks in a later one.

    Not where only a budget (``unpaid``: of these sources) stands in the way.
    """
    lacks = pursuit.lacks(wanted)
    return any(
        lacks & s.tells
        and s.name in pursuit.keys
        and s.name not in pursuit.known
        and pursuit.closed.get(s.name, s.name not in unpaid)
        for s in sources
    )


def turn_had_not_come(
    pursuit: Pursuit,
    sources: Sequence[Source],
    wanted: Collection[str],
    *,
    resting: Collection[str],
    unpaid: Collection[str] = (),
) -> bool:
    """Whether somebody who is well and affordable would have been asked next, had there been time."""
    return any(source.name not in unpaid for source in _open(pursuit, sources, wanted, resting))


def again_at(now: datetime, tries: int, first: timedelta, most: int) -> datetime | None:
    """When to ask again after the ``tries``-th time in vain (from 0); None: not before the lead changes."""
    return now + first * 2**tries if tries < most else None


def merge(order: Sequence[str], told: Mapping[str, Mapping[str, EvidenceField]]) -> dict[str, EvidenceField]:
    """Field -> the word of the first in ``order`` that has one; who is not in it comes last, by name."""
    ranks = {name: rank for rank, name in enumerate(order)}
    merged: dict[str, EvidenceField] = {}
    for source in sorted(told, key=lambda name: (ranks.get(name, len(ranks)), name)):
        for name, said in told[source].items():
            merged.setdefault(name, said)
    return merged


NOT_A_LEAD = "not_a_lead"


def why_not_asked(
    state: LeadState, now: datetime, max_age: timedelta, *, suppressed: bool, disqualified: bool
) -> str | None:
    """Why nobody else is told of this lead, None where they may be: an ExitReason, or NOT_A_LEAD.

    Not of tests, nor of who is never written to again, nor of leads so old that they start nothing (an
    import would cost a month's budget). ``disqualified``: by what is known before anybody is asked.
    """
    gone = next((s.reason for s in state.stops if s.reason in GONE), None)
    for reason, holds in (
        (ExitReason.TEST_OR_SPAM, state.is_test),
        (gone or "", gone is not None),
        (ExitReason.OPTED_OUT, state.opted_out_at is not None),
        (ExitReason.SUPPRESSED, suppressed),
        (ExitReason.DISQUALIFIED, disqualified),
        (NOT_A_LEAD, state.last_lead_at is None),
        (ExitReason.TOO_OLD, state.last_lead_at is not None and now - state.last_lead_at > max_age),
    ):
        if holds:
            return str(reason)
    return None


def own_words(state: LeadState) -> frozenset[str]:
    """The fields the lead, or whoever told us of them, has given already."""
    given = {
        "company_name": state.company,
        "company_size": state.company_size,
        "country": state.country,
        "domain": state.domain,
        "title": state.title,
    }
    return frozenset(name for name, value in given.items() if value not in (None, ""))


def evidence(provider: str, told: Mapping[str, Any]) -> dict[str, EvidenceField]:
    """What a provider has told, in our words and with its name. What makes no sense is left out."""
    found = {name: _clean(name, told.get(name)) for name in FIELDS}
    return {name: EvidenceField(value, provider) for name, value in found.items() if value is not None}


def _clean(name: str, value: Any) -> Any:
    if name == "company_size":
        return company_size(value) if isinstance(value, int | float | str) else None
    if not isinstance(value, str):
        return None
    text = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    if not text or len(text) > _LONGEST:
        return None
    match name:
        case "country":
            return country_code(text)
        case "domain":
            return registrable_domain(text.removeprefix("https://").removeprefix("http://").partition("/")[0])
        case "industry":
            return text.replace("_", " ").lower()
        case "title_level":
            return text if text in TITLE_LEVELS else None
    return text


def month_of(now: datetime) -> datetime:
    """When the calendar month of ``now`` began (UTC)."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
