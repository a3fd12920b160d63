"""Leads that changed -> what is known of them beyond their own words, with provenance per field.

Where nobody has to be asked this is one transaction. Otherwise two frame the asking (``enrich_calls.py``),
and no row is locked meanwhile: leads are held for a few seconds and go on with what is known at the deadline.
What comes later sends them through here again, and to a new score where it says something new.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine

from leadops.domain.enriching import (
    Pursuit,
    again_at,
    month_of,
    own_words,
    turn_had_not_come,
    worth_another_pass,
)
from leadops.domain.fold import state_from_json
from leadops.providers.enrichment.port import Key
from leadops.stages.enrich_calls import Asking
from leadops.stages.enriching import Enriching, Fetched
from leadops.stages.report import Report
from leadops.store import enrichment as store
from leadops.store import leads as all_leads
from leadops.store.engine import transaction
from leadops.store.evidence import Told, merged, to_json, told_in
from leadops.terms import EvidenceField, LeadState

_SOONER = 10
"""Whose turn had not come is back after so much less than who was asked in vain."""


@dataclass(slots=True)
class _Lead:
    """One lead in this pass. ``local``: provider -> what it reads from the lead itself."""

    row: Mapping[str, Any]
    state: LeadState | None
    local: dict[str, dict[str, EvidenceField]] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    pursuit: Pursuit = field(default_factory=lambda: Pursuit(frozenset(), {}))

    @property
    def lead_id(self) -> str:
        return str(self.row["lead_id"])


def enrich(house: Enriching, *, now: datetime, limit: int = 500) -> Report:
    """Enrich up to ``limit`` leads. Counts: enriched, fields, parked; of each provider that is asked
    PROVIDER:asked, :found, :none, :later, :failed, :late, :cached, :no_budget; not_asked:WHY, of leads nobody
    but the local ones is asked about (``enrich_whom.py``). Amounts: cost_usd.

    A provider that fails on one lead leaves it to the others, and to its own words; no first touch waits
    longer than ``deadline_seconds``.
    """
    report = Report("enrich")
    if not house.remote:
        with transaction(house.engine) as connection:
            leads = _taken(connection, house, report, now=now, limit=limit)
            _save_local(connection, house, leads, now, report)
            _go_on(connection, house, [_done(lead, scores=True) for lead in leads], now, report)
        return report
    with transaction(house.engine) as connection:
        leads = _taken(connection, house, report, now=now, limit=limit, until=now + house.hold)
        stored = store.stored(connection, [lead.lead_id for lead in leads])
        not_asked = _not_asked(connection, house, leads, stored, now, report)
        asking = _asking(house, leads, not_asked, now, report)
        asking.take(store.cached(connection, asking.keys))
    try:
        asking.run()
        with transaction(house.engine) as connection:
            asking.settle(connection)
            _save(connection, house, leads, asking, stored, report)
    finally:
        asking.recorded.set()
    return report


def _taken(
    connection: Connection,
    house: Enriching,
    report: Report,
    *,
    now: datetime,
    limit: int,
    until: datetime | None = None,
) -> list[_Lead]:
    """Claimed, with what they say themselves; one that cannot be read is parked and goes on without."""
    found = []
    for row in store.claim(connection, now=now, limit=limit, until=until):
        lead = _Lead(row, None)
        found.append(lead)
        _read(house, lead, report)
    return found


def _read(house: Enriching, lead: _Lead, report: Report) -> None:
    """What each local provider finds, and what others would look up; one that fails leaves the rest."""
    tried = partial(_tried, lead, report)
    lead.state = state = tried("state", lambda: state_from_json(lead.row["state"]))
    if state is None:
        return
    for name, provider in house.local.items():
        fields = tried(name, lambda p=provider: p.enrich(state))  # type: ignore[misc]
        lead.local |= {} if fields is None else {name: fields}
    lead.keys = tried("key", lambda: house.keys_of(state)) or {}
    told = frozenset(name for fields in lead.local.values() for name in fields)
    kept = {name: house.kept_as(key) for name, key in lead.keys.items()}
    lead.pursuit = Pursuit(own_words(state) | told, kept)


def _tried(lead: _Lead, report: Report, what: str, read: Callable[[], Any]) -> Any:
    """None where it fails: one provider on one lead must not hold up the others."""
    try:
        return read()
    except Exception as error:  # noqa: BLE001 - see above
        report.parked[lead.lead_id] = f"enrich_{what}_{type(error).__name__}"
        return None


def _not_asked(
    connection: Connection,
    house: Enriching,
    leads: Sequence[_Lead],
    stored: Mapping[str, Mapping[str, Mapping[str, Any]]],
    now: datetime,
    report: Report,
) -> frozenset[str]:
    """The leads that nobody is asked about, of those that somebody could be asked about."""
    concerned: dict[str, tuple[LeadState, bool]] = {}
    unclear = set()
    for lead in leads:
        if lead.state and lead.keys:
            known = _known_before(house, lead, stored.get(lead.lead_id, {}), now)
            out = _tried(lead, report, "whom", partial(house.manners.ruled_out, lead.state, known, now))
            if out is None:
                unclear.add(lead.lead_id)
            concerned[lead.lead_id] = lead.state, bool(out)
    reasons = house.manners.not_asked(connection, concerned, now)
    for reason in reasons.values():
        report.count(f"not_asked:{reason}")
    return frozenset(reasons) | unclear


def _known_before(
    house: Enriching, lead: _Lead, had: Mapping[str, Mapping[str, Any]], now: datetime
) -> dict[str, EvidenceField]:
    """By the lead's own words as they are now, and by what was asked earlier about what it still is."""
    told = [
        told_in(row)
        for name, row in had.items()
        if name not in lead.local and not _is_over(row, name, lead, house)
    ]
    own = [Told(name, house.ranks[name], now, fields) for name, fields in lead.local.items()]
    return merged([*told, *own])


def _asking(
    house: Enriching, leads: Sequence[_Lead], not_asked: Collection[str], now: datetime, report: Report
) -> Asking:
    keys: dict[tuple[str, str], Key] = {}
    for lead in leads:
        keys |= {(name, lead.pursuit.keys[name]): key for name, key in lead.keys.items()}
        if lead.lead_id in not_asked:
            lead.pursuit.closed = dict.fromkeys(lead.pursuit.keys, False)
    return Asking(house, {lead.lead_id: lead.pursuit for lead in leads}, keys, now, report)


# Recorded -----------------------------------------------------------------------------------------------


def _save_local(
    connection: Connection, house: Enriching, leads: Sequence[_Lead], now: datetime, report: Report
) -> None:
    values = [_local_row(house, lead, name, now) for lead in leads for name in lead.local]
    store.save(connection, values)
    report.count("fields", sum(len(v["fields"]) for v in values))


def _save(
    connection: Connection,
    house: Enriching,
    leads: Sequence[_Lead],
    asking: Asking,
    stored: Mapping[str, Mapping[str, Mapping[str, Any]]],
    report: Report,
) -> None:
    now, section = asking.now, house.section
    unpaid: dict[str, set[str]] = {}
    for name, lead_id in asking.unpaid:
        if name in asking.pursuits[lead_id].known:
            continue  # what others did not cost was enough for this one in the end
        unpaid.setdefault(lead_id, set()).add(name)
        report.count(f"{name}:no_budget")
    values: list[dict[str, Any]] = []
    gone: list[tuple[str, str]] = []
    finished = []
    for lead in leads:
        had = stored.get(lead.lead_id, {})
        new = [row for row in _rows(house, lead, asking, now) if not _is_there(row, had)]
        old = [name for name, row in had.items() if _is_over(row, name, lead, house)]
        values += new
        gone += [(lead.lead_id, name) for name in old]
        finished.append(_done(lead, scores=bool(new or old)))
        if worth_another_pass(lead.pursuit, house.sources, section.wanted, unpaid.get(lead.lead_id, ())):
            finished[-1] = _later(finished[-1], lead, house, unpaid.get(lead.lead_id, ()), now)
    store.drop(connection, gone)
    store.save(connection, values)
    report.count("fields", sum(len(v["fields"]) for v in values))
    _go_on(connection, house, finished, now, report)


def _rows(house: Enriching, lead: _Lead, asking: Asking, now: datetime) -> Iterable[dict[str, Any]]:
    for name in lead.local:
        yield _local_row(house, lead, name, now)
    for name, key in lead.pursuit.keys.items():
        if name in lead.pursuit.known:
            yield _row(house, lead, name, key, asking.fetched[name, key], now)


def _local_row(house: Enriching, lead: _Lead, name: str, now: datetime) -> dict[str, Any]:
    return {
        "lead_id": lead.lead_id,
        "provider": name,
        "fields": {n: to_json(f) for n, f in lead.local[name].items()},
        "inputs_hash": lead.row["state_digest"],
        "rank": house.ranks[name],
        "key": None,
        "cost_usd": 0.0,
        "took_ms": None,
        "enriched_at": now,
    }


def _row(
    house: Enriching, lead: _Lead, name: str, key: str, fetched: Fetched, now: datetime
) -> dict[str, Any]:
    """``cost_usd`` and ``took_ms`` are the lead's for whom the answer was got: others have it for nothing."""
    its_own = fetched.lead_id == lead.lead_id
    return {
        "lead_id": lead.lead_id,
        "provider": name,
        "fields": {n: to_json(f) for n, f in fetched.known.fields.items()},
        "inputs_hash": lead.row["state_digest"],
        "rank": house.ranks[name],
        "key": key,
        "cost_usd": fetched.cost_usd if its_own else 0.0,
        "took_ms": fetched.took_ms if its_own else None,
        "enriched_at": now,
    }


def _is_there(row: Mapping[str, Any], had: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the database has it already; when it became the lead's is not news."""
    known = had.get(row["provider"])
    same = ("fields", "rank", "key", "cost_usd")
    return known is not None and all(known[name] == row[name] for name in same)


def _is_over(row: Mapping[str, Any], name: str, lead: _Lead, house: Enriching) -> bool:
    """Said by who has no place any more, or of what the lead no longer is."""
    return name not in house.ranks or (name in house.remote and row["key"] != lead.pursuit.keys.get(name))


def _done(lead: _Lead, *, scores: bool) -> store.Done:
    """A lead that changed is scored whatever is new here; one that was asked about again only for news."""
    changed = bool(lead.row["pending_enrichment"])
    return store.Done(lead.lead_id, lead.row["state_digest"], changed or scores)


def _later(
    done: store.Done, lead: _Lead, house: Enriching, unpaid: Collection[str], now: datetime
) -> store.Done:
    """Asked about again: soon where its turn had not come, else later and later.

    Where another one was asked in vain it costs a try, and is soon only once: a provider that stays silent
    would be asked every time.
    """
    section = house.section
    tries = 0 if lead.row["pending_enrichment"] else int(lead.row["enrich_tries"])
    first = timedelta(minutes=section.retry_minutes)
    had_none = turn_had_not_come(
        lead.pursuit, house.sources, section.wanted, resting=house.resting(), unpaid=unpaid
    )
    in_vain = not had_none or any(lead.pursuit.closed.values())
    at = again_at(now, tries, first, section.retries)
    if had_none and (not in_vain or (tries == 0 and at is not None)):
        at = now + first / _SOONER
    return store.Done(done.lead_id, done.state_digest, done.scores, at, tries + in_vain)


def _go_on(
    connection: Connection, house: Enriching, finished: Sequence[store.Done], now: datetime, report: Report
) -> None:
    for lead in finished:
        report.count("parked" if lead.lead_id in report.parked else "enriched")
    report.pending = store.done(connection, finished, house.ranks)
    all_leads.park(connection, "enrich", report.parked, now=now)
    report.lead_ids |= {lead.lead_id for lead in finished}


# Read ---------------------------------------------------------------------------------------------------


def spending(engine: Engine, house: Enriching, now: datetime) -> dict[str, tuple[float, float | None]]:
    """Provider -> (USD spent in the calendar month of ``now``, budget or None), of those that cost."""
    paid = [s.name for s in house.sources if s.usd]
    if not paid:
        return {}
    with transaction(engine) as connection:
        since = month_of(now)
        return {n: (store.spent(connection, n, since), house.budgets.get(n)) for n in paid}
