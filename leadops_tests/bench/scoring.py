"""Scores by the default playbook's scorecard: the stage and the pure function, against NumPy over columns.

The floor computes nothing but points, totals and tiers; leadops also says why in a sentence, keeps every
signal's value and a hash of what was read, and owes the CRM the news.
"""

from __future__ import annotations

import math
import random
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import Engine

from leadops.domain.fold import digest_of, state_to_json
from leadops.domain.scoring import DAYS, fields_read, inputs_of
from leadops.domain.scoring import score as decide
from leadops.playbook.loader import load
from leadops.playbook.model import Playbook, Scorecard, Signal
from leadops.stages.score import score
from leadops.stages.score_frame import score_frame
from leadops.store.engine import put, transaction
from leadops.store.tables import enrichments, leads
from leadops.terms import EventKind, EvidenceField, LeadState, Tier
from leadops_tests.bench.figures import Figure
from leadops_tests.bench.filled import a_state
from leadops_tests.bench.ground import NOW, Driver, ground, one_value, seconds
from leadops_tests.house import PLAYBOOK

BATCH = 500
Numbers = npt.NDArray[np.float64]
Columns = Mapping[str, Sequence[Any]]
"""Field of the scorecard -> one value per lead; None where it is not known."""
Evidence = dict[str, EvidenceField]

_RANKS = ("CEO", "Founder", "VP", "Vice President", "Head of", "Director,", "Manager", "Lead", "Intern")
_AREAS = ("Operations", "Marketing", "Data", "Finance", "IT", "Sales", "Logistics", "Produktmanagement")
_SOURCES = ("web", "organic_search", "PAID_SEARCH", "referral", "Partner", "newsletter", "event", "(blank)")
_REQUESTS = (
    EventKind.DEMO_REQUESTED,
    EventKind.MESSAGE_RECEIVED,
    EventKind.FORM_SUBMITTED,
    EventKind.CONTENT_DOWNLOADED,
    EventKind.LEAD_CREATED,
)


def measure(
    server_url: str,
    say: Callable[[str], None],
    *,
    count: int = 5_000,
    sizes: Sequence[int] = (10_000, 100_000),
    waiting: int = 1_000,
) -> list[Figure]:
    """Leads per second: of the stage by its median batch of 500, of the pure function and of the table over
    all. Then seconds for ``waiting`` leads in tables of ``sizes`` leads."""
    playbook = load(PLAYBOOK).playbook
    people = list(_people(count))
    found = [_pure(people, playbook.scorecard), _table(people, playbook.scorecard)]
    with ground(server_url) as (_url, engine, driver):
        _put(engine, people)
        found.append(_stage(engine, driver, playbook, count))
    for figure in found:
        say(f"{figure.name}: {figure.value:,.0f} leads/s, NumPy {figure.floor:,.0f}")
    return [*found, *rescoring(server_url, say, sizes=sizes, waiting=waiting)]


def _people(count: int) -> Iterator[tuple[LeadState, Evidence]]:
    """Leads of every kind, a third of them enriched; the same ones every time."""
    rng = random.Random(7)
    start = a_state()
    for n in range(count):
        domain = None if rng.random() < 0.25 else f"company{n}.example"
        address = f"anna{n}@{domain or 'gmail.com'}"
        kinds = {k.value: rng.randint(1, 3) for k in _REQUESTS if rng.random() < 0.15}
        title = f"{rng.choice(_RANKS)} {rng.choice(_AREAS)}"
        state = replace(
            start,
            emails=(address,),
            address=address,
            domain=domain,
            title=rng.choice([None, title, title.upper()]),
            company_size=rng.choice([None, 1, 5, 40, 120, 900]),
            source=rng.choice(_SOURCES),
            kinds=kinds or {EventKind.LEAD_CREATED.value: 1},
            page_views=rng.choice([0, 1, 2, 4, 12]),
            pricing_views=rng.choice([0, 0, 0, 1, 3]),
            human_clicks=rng.choice([0, 0, 0, 1, 4]),
            human_replies=rng.choice([0, 0, 0, 1]),
            last_engagement_at=NOW - timedelta(hours=rng.randint(1, 500)),
        )
        yield state, _evidence(rng) if rng.random() < 1 / 3 else {}


def _evidence(rng: random.Random) -> Evidence:
    given = {"company_size": rng.choice([30, 300]), "title": rng.choice(["CTO", "Data Analyst"])}
    return {name: EvidenceField(value, "bench") for name, value in given.items()}


# The pure function --------------------------------------------------------------------------------------


def _pure(people: Sequence[tuple[LeadState, Evidence]], scorecard: Scorecard) -> Figure:
    scores = [decide(inputs_of(state, known, NOW), scorecard) for state, known in people]
    inputs = [inputs_of(state, known, NOW) for state, known in people]
    columns = _columns(inputs, scorecard)
    np.testing.assert_allclose([s.total for s in scores], totals(columns, scorecard), atol=2e-6)

    def ours() -> None:
        for state, known in people:
            decide(inputs_of(state, known, NOW), scorecard)

    pairs = [(seconds(ours), seconds(lambda: totals(columns, scorecard))) for _ in range(3)]
    return Figure(
        "score_pure",
        _per_second(len(people), [p[0] for p in pairs]),
        "leads/s",
        _per_second(len(people), [p[1] for p in pairs]),
        "NumPy over columns of the same inputs: points of every signal, totals",
        {"leads": len(people), "tiers": {t.value: sum(s.tier is t for s in scores) for t in Tier}},
    )


def _columns(inputs: Sequence[Mapping[str, Any]], scorecard: Scorecard) -> Columns:
    return {
        field: [math.floor(i[field]) if field == DAYS and i[field] is not None else i[field] for i in inputs]
        for field in fields_read(scorecard)
    }


def _table(people: Sequence[tuple[LeadState, Evidence]], scorecard: Scorecard) -> Figure:
    """Of inputs in hand, as a replay or a file has them; 20 times the leads."""
    inputs = pd.DataFrame([inputs_of(state, known, NOW) for state, known in people] * 20, dtype=object)
    columns = _columns(inputs.replace({np.nan: None}).to_dict("records"), scorecard)
    np.testing.assert_allclose(score_frame(inputs, scorecard)["total"], totals(columns, scorecard), atol=2e-6)
    pairs = [
        (seconds(lambda: score_frame(inputs, scorecard)), seconds(lambda: totals(columns, scorecard)))
        for _ in range(3)
    ]
    return Figure(
        "score_table",
        _per_second(len(inputs), [p[0] for p in pairs]),
        "leads/s",
        _per_second(len(inputs), [p[1] for p in pairs]),
        "NumPy over columns of the same inputs: points of every signal, totals",
        {"leads": len(inputs)},
    )


def totals(columns: Columns, scorecard: Scorecard) -> Numbers:
    """0..100 for each lead, to six places as leadops rounds them."""
    days = np.nan_to_num(np.array(columns[DAYS], dtype=np.float64))
    earned = np.stack(
        [
            _points(s, columns[s.field]) * (0.5 ** (days / s.half_life_days) if s.half_life_days else 1)
            for s in scorecard.signals
        ]
    )
    share = earned.sum(axis=0) / sum(s.max_points for s in scorecard.signals)
    found: Numbers = np.round(np.clip(100 * share, 0, 100), 6)
    return found


def _points(signal: Signal, values: Sequence[Any]) -> Numbers:
    if signal.at_least:
        return _reached(signal, np.array(values, dtype=np.float64))
    given = np.array([value or "" for value in values], dtype=np.str_)
    texts, where = np.unique(given, return_inverse=True)
    of_text = np.array([_of_text(signal, str(text).strip().casefold()) for text in texts])
    found: Numbers = of_text[where]
    return found


def _reached(signal: Signal, numbers: Numbers) -> Numbers:
    """None has become NaN on the way into the array."""
    thresholds = sorted(signal.at_least)
    points = np.array([signal.otherwise, *(signal.at_least[t] for t in thresholds)])
    unknown = np.isnan(numbers)
    place = np.searchsorted(thresholds, np.where(unknown, 0, numbers), side="right")
    found: Numbers = np.where(unknown, signal.missing, points[place])
    return found


def _of_text(signal: Signal, text: str) -> float:
    if not text:
        return signal.missing
    if signal.equals:
        return signal.equals.get(text, signal.otherwise)
    words = re.findall(r"\w+", text)
    return max((signal.contains[w] for w in words if w in signal.contains), default=signal.otherwise)


# The stage ----------------------------------------------------------------------------------------------

_COLUMNS = """
    create table floor_leads (like leads including all);
    create table floor_lead_scores (like lead_scores including all);
    insert into floor_leads select * from leads;
"""
_READ = """
    select lead_id, coalesce(cast(fields #>> '{company_size,value}' as float),
            cast(state ->> 'company_size' as float)),
        coalesce(fields #>> '{title,value}', state ->> 'title'), nullif(state ->> 'source', '(blank)'),
        (select k from unnest(%s::text[]) with ordinality as strongest(k, n)
            where cast(state -> 'kinds' ->> k as int) > 0 order by n limit 1),
        cast(state ->> 'pricing_views' as float), cast(state ->> 'page_views' as float),
        case when state ->> 'domain' is null then 'no' else 'yes' end,
        cast(state ->> 'human_clicks' as float) + cast(state ->> 'human_replies' as float)
            + coalesce(cast(state -> 'kinds' ->> 'content_downloaded' as float), 0),
        floor(extract(epoch from %s - cast(state ->> 'last_engagement_at' as timestamptz)) / 86400)::float
    from (select lead_id, state from floor_leads where pending_score order by updated_at, lead_id limit %s
        for update skip locked) as waiting
    left join enrichments using (lead_id)"""
_FIELDS = (
    "company_size",
    "title",
    "lead_source",
    "requested",
    "pricing_views",
    "page_views",
    "business_email",
    "engagement",
    DAYS,
)
_COPY = b"""copy floor_lead_scores (score_id, lead_id, total, tier, fit, engagement, attainable, signals,
    scorecard_version, inputs_hash, reason, scored_at) from stdin"""
_WRITE = """update floor_leads l set pending_score = false, pending_enrolment = true, score = m.total,
    tier = m.tier from unnest(%s::text[], %s::float[], %s::text[]) as m(lead_id, total, tier)
    where l.lead_id = m.lead_id"""
_DIFFERENT = """select count(*) from leads l join floor_leads f using (lead_id)
    where l.score is distinct from f.score or l.tier is distinct from f.tier or f.pending_score"""


def _stage(engine: Engine, driver: Driver, playbook: Playbook, count: int) -> Figure:
    driver.execute(_COLUMNS.encode())
    driver.execute("vacuum analyze")
    ours, floors = [], []
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        ours.append(seconds(partial(_scored, engine, playbook, size)) / size)
        floors.append(seconds(partial(_floor, driver, playbook.scorecard, size)) / size)
    assert one_value(driver, "select count(*) from lead_scores") == count
    assert one_value(driver, "select count(*) from floor_lead_scores") == count
    assert one_value(driver, _DIFFERENT) == 0
    return Figure(
        "score_stage",
        _per_second(1, ours),
        "leads/s",
        _per_second(1, floors),
        "the inputs read as columns, NumPy, COPY of the scores and one update of the leads, in one commit",
        {"leads": count, "at_a_time": BATCH, "seconds": round(sum(ours) * min(BATCH, count), 3)},
    )


def _scored(engine: Engine, playbook: Playbook, size: int) -> None:
    assert score(engine, playbook, now=NOW, limit=BATCH).counts["scored"] == size


def _floor(driver: Driver, scorecard: Scorecard, size: int) -> None:
    with driver.transaction(), driver.cursor() as cursor:
        rows = cursor.execute(_READ, ([k.value for k in _REQUESTS], NOW, BATCH)).fetchall()
        assert len(rows) == size
        ids, *values = zip(*rows, strict=True)
        total = totals(dict(zip(_FIELDS, values, strict=True)), scorecard)
        tier = np.where(total >= scorecard.hot, "hot", np.where(total >= scorecard.warm, "warm", "cold"))
        scored = list(zip(ids, total.tolist(), tier.tolist(), strict=True))
        with cursor.copy(_COPY) as copy:
            for lead_id, points, name in scored:
                copy.write_row(
                    (f"sco_{lead_id}", lead_id, points, name, 0, 0, 100, "[]", scorecard.version, "", "", NOW)
                )
        cursor.execute(_WRITE, (list(ids), total.tolist(), tier.tolist()))


def _put(engine: Engine, people: Sequence[tuple[LeadState, Evidence]]) -> None:
    """As the fold and enrichment leave them: waiting for a score."""
    states = [state_to_json(state) for state, _ in people]
    rows = [
        {
            "lead_id": f"lead_{n:08d}",
            "email": s["emails"][0],
            "name": s["name"],
            "company": s["company"],
            "domain": s["domain"],
            "title": s["title"],
            "country": s["country"],
            "source": s["source"],
            "became_lead_at": NOW,
            "last_event_at": NOW,
            "state": s,
            "state_digest": digest_of(s),
            "created_at": NOW,
            "updated_at": NOW + timedelta(microseconds=n),
            "pending_score": True,
        }
        for n, s in enumerate(states)
    ]
    known = [
        {
            "lead_id": f"lead_{n:08d}",
            "provider": "bench",
            "fields": {
                k: {"value": f.value, "provider": f.provider, "source_event_id": None} for k, f in e.items()
            },
            "inputs_hash": digest_of(states[n]),
            "enriched_at": NOW,
        }
        for n, (_, e) in enumerate(people)
        if e
    ]
    with transaction(engine) as connection:
        put(connection, leads, rows)
        put(connection, enrichments, known)


# A thousand among many ----------------------------------------------------------------------------------

_FILL = """insert into leads (lead_id, source, last_event_at, became_lead_at, state, state_digest, tier,
        score, created_at, updated_at)
    select 'fill_' || n, 'web', l.last_event_at, l.became_lead_at, l.state, 'd', 'cold', 10, l.created_at,
        l.updated_at
    from generate_series(1, %s) n join leads l on l.lead_id = 'lead_' || lpad((n %% %s)::text, 8, '0')"""
_AGAIN = """update leads set pending_score = true, state = jsonb_set(state, '{page_views}',
    to_jsonb((state ->> 'page_views')::int + %s)) where lead_id like 'lead\\_%%'"""


def rescoring(
    server_url: str,
    say: Callable[[str], None],
    *,
    sizes: Sequence[int],
    waiting: int = 1_000,
    rounds: int = 5,
) -> list[Figure]:
    """``waiting`` leads of which something new is known, in tables of so many leads: ms, the largest by the
    smallest. The tables stand side by side and take turns."""
    playbook, people = load(PLAYBOOK).playbook, list(_people(waiting))
    with ExitStack() as stack:
        places = []
        for size in sizes:
            _url, engine, driver = stack.enter_context(ground(server_url))
            _put(engine, people)
            driver.execute(_FILL, (max(0, size - waiting), waiting))
            driver.execute("vacuum analyze")
            places.append((engine, driver))
        took: list[list[float]] = [[] for _ in sizes]
        for turn in range(rounds):
            for n, (engine, driver) in enumerate(places):
                driver.execute(_AGAIN, (20 * (turn + 1),))
                took[n].append(seconds(partial(_all, engine, playbook)))
    ms = [round(1000 * statistics.median(t), 1) for t in took]
    floor, is_what = ms[0], f"the same {waiting:,} in a table of {sizes[0]:,}"
    found = [
        Figure(f"rescore_{waiting}_of_{size}", ms[n], "ms", floor, is_what) for n, size in enumerate(sizes)
    ]
    for figure in found:
        say(f"{figure.name}: {figure.value} ms")
    return found


def measure_million(server_url: str, say: Callable[[str], None]) -> list[Figure]:
    """A thousand of a million leads: some 2 GB, and a minute to fill."""
    return rescoring(server_url, say, sizes=(10_000, 1_000_000))


def _all(engine: Engine, playbook: Playbook) -> None:
    while score(engine, playbook, now=NOW, limit=BATCH).pending:
        pass


def _per_second(count: int, found: Sequence[float]) -> float:
    return round(count / statistics.median(found), 1)
