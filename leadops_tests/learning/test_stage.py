"""The training stage on a real log: promoted, used, kept, handed back, and why each time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from leadops.cli import standing
from leadops.defs import checks
from leadops.defs.checks import PROPERTIES, offenders
from leadops.defs.show import described
from leadops.learning import serve
from leadops.playbook.loader import load
from leadops.playbook.model import Playbook
from leadops.providers.crm.port import RawRow
from leadops.stages.enrich import enrich
from leadops.stages.explain_score import scores_of
from leadops.stages.fold import fold_pending
from leadops.stages.ingest import ingest
from leadops.stages.model_health import health
from leadops.stages.score import score
from leadops.stages.train import KEPT, NOT_TRAINED, PROMOTED, REJECTED, RETIRED, train
from leadops.store import models
from leadops.store.engine import transaction
from leadops_tests.house import PLAYBOOK, TUESDAY, World, house_of, wire
from leadops_tests.learning.months import KEYRING, settle

START = TUESDAY - timedelta(days=120)


def playbook_with(*, model_above: int = 200, **given: Any) -> Playbook:
    """Resamples: fewer than a playbook may say, so that nobody waits."""
    made = load(PLAYBOOK).playbook
    given = {"resamples": 400} | given
    volume = made.volume.model_copy(update={"model_above": model_above})
    return made.model_copy(update={"model": made.model.model_copy(update=given), "volume": volume})


def come(
    engine: Engine,
    playbook: Playbook,
    first: datetime,
    days: int,
    *,
    law: int,
    a_day: int = 10,
    seen: datetime | None = None,
) -> datetime:
    """Leads of ``days`` days; ``law``: 1: who wants the team plan books; -1: who does not; 0: chance."""
    rng = random.Random(f"{first}{law}")
    events = []
    for n in range(days * a_day):
        at = first + timedelta(days=n / a_day)
        email = f"l{at:%m%d}{n}@acme{n}.example"
        team = rng.random() < 0.4
        plan = rng.choice(["team", "group"]) if team else rng.choice(["solo", "Select", ""])
        events.append(wire("form_submitted", email, at=at, id=f"f-{email}", properties={"plan": plan}))
        chance = 0.2 if law == 0 else (0.5 if team == (law > 0) else 0.04)
        if rng.random() < chance:
            when = at + timedelta(days=rng.uniform(0.1, 20))
            events.append(wire("meeting_booked", email, at=when, id=f"m-{email}"))
    end = first + timedelta(days=days)
    seen = seen or end + timedelta(days=21)
    waiting = sorted(
        (e for e in events if e["occurred_at"] <= seen.isoformat()), key=lambda e: e["occurred_at"]
    )
    given = [RawRow(event=e, error=None, raw=e, where="t") for e in waiting]
    report = ingest(engine, given, now=seen, keyring=KEYRING)
    assert not [i.reason for i in report.items if i.reason]
    settle(engine, playbook, seen)
    return end


def rows(engine: Engine, statement: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(r) for r in connection.exec_driver_sql(statement).mappings()]


def test_promoted_used_then_handed_back_when_the_world_changes(engine: Engine) -> None:
    playbook = playbook_with()
    end = come(engine, playbook, START, 75, law=1)
    now = end + timedelta(days=21)
    assert {r["model_version"] for r in rows(engine, "select model_version from lead_scores")} == {None}
    report = train(engine, playbook, now=now, any_volume=True)
    assert report.decision == PROMOTED, report.reason
    assert report.in_use == report.version
    assert "plan" in report.card
    assert "Anna" not in report.card
    assert all(png.startswith(b"\x89PNG") for png in report.plots.values())
    assert set(report.plots) == {"reliability", "lift", "weights", "drift"}

    # The same again: nothing new to learn, nothing changes.
    again = train(engine, playbook, now=now, any_volume=True)
    assert (again.decision, again.version) == (KEPT, report.version)

    # New leads are scored by it, with its reasons.
    after = come(engine, playbook, now, 40, law=-1, a_day=20)
    used = rows(engine, f"select * from lead_scores where model_version = '{report.version}'")
    assert len(used) >= 800
    one = used[0]
    assert one["rules_total"] is not None
    assert 0 <= one["probability"] <= 1
    assert any(c["column"] == "p.plan" for c in one["contributions"])
    with transaction(engine) as connection:
        stories = [s for r in used[:40] for s in scores_of(connection, r["lead_id"]) if s.learned]
    assert stories
    for story in stories:
        assert sum(line.points for line in story.learned_lines) == pytest.approx(story.shown)
        assert any("plan" in line.words for line in story.learned_lines)
    assert "learned from earlier leads" in one["reason"]
    assert sum(s["points"] for s in one["signals"]) == pytest.approx(one["rules_total"], abs=0.1)

    # The world has turned around: it no longer beats the scorecard.
    later = train(engine, playbook, now=after + timedelta(days=31), any_volume=True)
    assert later.decision == RETIRED, later.reason
    assert "no longer beats the scorecard" in later.reason
    with transaction(engine) as connection:
        assert models.promoted(connection) is None
        assert models.earned(connection) is False
        assert serve.model_in_use(connection, playbook) is None
        verdicts = models.verdicts(connection)
    assert [v["decision"] for v in verdicts] == [RETIRED, KEPT, PROMOTED]


def test_noise_is_rejected_and_volume_is_asked_first(engine: Engine) -> None:
    playbook = playbook_with()
    end = come(engine, playbook, START, 60, law=0)
    few = train(engine, playbook_with(model_above=5000), now=end)
    assert few.decision == NOT_TRAINED
    assert "takes more than 5000" in few.reason
    report = train(engine, playbook, now=end + timedelta(days=25), any_volume=True)
    assert report.decision == REJECTED, report.reason
    assert "The scorecard scores" in report.reason
    with transaction(engine) as connection:
        assert models.promoted(connection) is None
    off = train(engine, playbook_with(enabled=False), now=end)
    assert off.decision == NOT_TRAINED
    assert "enabled: false" in off.reason


def test_an_empty_log_and_old_histories_are_said(engine: Engine) -> None:
    playbook = playbook_with()
    assert train(engine, playbook, now=TUESDAY).decision == NOT_TRAINED
    report = train(engine, playbook, now=TUESDAY, any_volume=True)
    assert report.decision == NOT_TRAINED
    assert "0 of 0 mature leads" in report.reason
    come(engine, playbook, START - timedelta(days=300), 3, law=1)
    told = train(engine, playbook, now=TUESDAY)
    assert "the last lead came in on" in told.reason


def test_another_scorecard_or_no_wish_for_models_leaves_the_rules(engine: Engine) -> None:
    playbook = playbook_with()
    end = come(engine, playbook, START, 75, law=1)
    now = end + timedelta(days=21)
    report = train(engine, playbook, now=now, any_volume=True)
    assert report.decision == PROMOTED, report.reason
    newer = playbook.model_copy(update={"scorecard": playbook.scorecard.model_copy(update={"version": "2"})})
    with transaction(engine) as connection:
        assert serve.model_in_use(connection, playbook) is not None
        assert serve.model_in_use(connection, newer) is None
        assert serve.model_in_use(connection, playbook_with(enabled=False)) is None
        stored = models.artifact(connection, str(report.version))
    assert json.dumps(stored)  # plain JSON all the way
    kept = train(engine, newer, now=now, any_volume=True)
    assert kept.decision == PROMOTED  # equated anew, to the new scorecard
    with transaction(engine) as connection:
        assert serve.model_in_use(connection, newer) is not None
        assert [m["status"] for m in models.models(connection)].count("promoted") == 1
    # A column turns out to be written after the call: what reads it goes, however well it ranks.
    wiser = newer.model_copy(update={"model": newer.model.model_copy(update={"ignore": ("p.plan",)})})
    gone = train(engine, wiser, now=now, any_volume=True)
    assert (gone.decision, gone.in_use) == (RETIRED, None)
    assert "it reads p.plan" in gone.reason


def test_the_asset_says_why_and_its_checks_look_at_the_model_in_use(engine: Engine, tmp_path: Path) -> None:
    import dagster as dg

    from leadops.definitions import build_defs

    playbook = playbook_with(model_above=100)
    loaded = load(PLAYBOOK)
    house = house_of(engine, tmp_path, loaded=replace(loaded, playbook=playbook))
    # So that the wall's clock sees mature leads, and enough of them lately.
    now = datetime.now(UTC)
    end = come(engine, playbook, now - timedelta(days=95), 94, law=1, seen=now)
    location = build_defs({"house": house})
    with dg.DagsterInstance.ephemeral() as instance:
        result = location.resolve_job_def("train_score_model").execute_in_process(instance=instance)
        (made,) = result.asset_materializations_for_node("score_model")
    shown = {k: getattr(v, "value", v) for k, v in made.metadata.items()}
    assert shown["decision"] == PROMOTED, shown["reason"]
    assert str(shown["in_use"]).startswith("m-")
    assert shown["model/auc"] > shown["scorecard/auc"]
    assert {"plot/reliability", "plot/lift", "plot/weights", "plot/drift", "card"} <= set(shown)
    assert sum(len(str(v)) for v in shown.values()) < 400_000
    healthy = health(engine, playbook, now=end)
    assert healthy.version
    assert healthy.mature > 100
    assert not healthy.miscalibrated, healthy
    assert healthy.drift


@pytest.fixture
def broken(engine: Engine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """A promoted model whose artifact does not work any more; it was promoted a moment ago."""
    playbook = playbook_with()
    now = datetime.now(UTC)
    come(engine, playbook, now - timedelta(days=96), 75, law=1)
    report = train(engine, playbook, now=now, any_volume=True)
    assert report.decision == PROMOTED, report.reason
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"update score_models set artifact = {request.param}")
    serve._AT_HAND.clear()
    loaded = replace(load(PLAYBOOK), playbook=playbook)
    yield World(house_of(engine, tmp_path, loaded=loaded), tmp_path, now)
    serve._AT_HAND.clear()


UNEVALUATED = ("jsonb_set(artifact, '{columns,0,kind}', '\"another\"')", "KeyError")
UNREADABLE = ("jsonb_set(artifact, '{format}', '0')", "UnreadableModelError")


@pytest.mark.parametrize(
    ("broken", "failure"), [UNEVALUATED, UNREADABLE], indirect=["broken"], ids=["evaluated", "read"]
)
def test_a_model_that_fails_holds_no_lead_up_and_is_not_silent(
    broken: World, failure: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world, h = broken, broken.house
    (answers,) = (p for p in PROPERTIES if p.name == "the_model_answers")
    assert offenders(h, answers) == []
    world.later(minutes=1)
    world.post(
        wire("form_submitted", "anna@acme.example", at=world.now),
        wire("form_submitted", "ben@acme.example", at=world.now),
        wire("form_submitted", "eve@competitor.example", at=world.now),
    )
    fold_pending(h.engine, h.playbook, h.keyring, now=world.now)
    enrich(h.enriching, now=world.now)
    report = score(h.engine, h.playbook, now=world.now)
    assert report.counts["scored"] == 3
    assert report.counts["by_model"] == 0
    # Whom the scorecard rules out is its own in any case.
    assert (report.counts["model_failed"], report.counts[f"model_failed:{failure}"]) == (2, 2)
    assert described(report, 0.1)["did/model_failed"] == 2
    newest = world.rows("select model_version, model_failed from lead_scores order by scored_at desc limit 3")
    assert {r["model_version"] for r in newest} == {None}
    assert sorted(str(r["model_failed"]) for r in newest) == sorted(["None", failure, failure])

    monkeypatch.setattr(checks, "now", lambda: world.now)
    leads = world.rows("select lead_id from leads where email in ('anna@acme.example', 'ben@acme.example')")
    assert sorted(offenders(h, answers)) == sorted(f"{failure}:{r['lead_id']}" for r in leads)
    assert answers.severity.value == "WARN"
    monkeypatch.setattr("leadops.runtime.wiring.open_house", lambda _settings: h)
    standing.status()
    assert f"The model failed ({failure}) on 2 leads of the last 24 h" in capsys.readouterr().out

    # Another one in its place has done nothing wrong yet.
    with transaction(h.engine) as connection:
        at = (world.now + timedelta(minutes=1)).isoformat()
        connection.exec_driver_sql(f"update score_models set status_at = '{at}'")
    assert offenders(h, answers) == []
