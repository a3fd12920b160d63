"""Jobs as Dagster runs them, over a real database: what they do, what they say, what they leave alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from leadops.definitions import build_defs
from leadops.domain.mail import digest_of
from leadops.providers.enrichment.offline import OfflineEnrichment
from leadops.providers.enrichment.port import LocalEnrichment
from leadops.providers.llm.port import SlotRequest, SlotWriter, WrittenSlots
from leadops.providers.llm.template import TemplateWriter
from leadops.stages.review import approve, waiting
from leadops.terms import EvidenceField, LeadState
from leadops_tests.house import DEMO, World, house_of, wire
from leadops_tests.stages.sending import in_mode

EVERY_ASSET = {
    "replies",
    "leads",
    "enriched_leads",
    "lead_scores",
    "enrolments",
    "send_schedule",
    "message_drafts",
    "dispatches",
    "handoffs",
    "crm_writebacks",
}


def run(location: dg.Definitions, job: str, instance: dg.DagsterInstance) -> dict[str, dict[str, Any]]:
    """Asset -> metadata of its materialization in one run of the job."""
    result = location.resolve_job_def(job).execute_in_process(instance=instance)
    assert result.success
    return {
        event.asset_key.to_user_string(): {k: v.value for k, v in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def hot(world: World, address: str = "anna@acme.example", **more: Any) -> dict[str, Any]:
    return wire("demo_requested", address, at=world.now, **(DEMO | more))


def test_first_touch_answers_a_hot_lead_in_one_run(
    world: World, location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    world.post(hot(world))
    said = run(location, "first_touch", instance)
    assert len(world.outbox()) == 1
    assert b"anna@acme.example" in world.outbox()[0].read_bytes()
    assert set(said) == EVERY_ASSET
    for asset, metadata in said.items():
        assert {"pending", "dagster/row_count", "seconds", "leads"} <= set(metadata), asset
        assert metadata["pending"] == 0, asset
    assert said["leads"]["did/leads_new"] == 1
    assert said["lead_scores"]["did/hot"] == 1
    assert said["message_drafts"]["did/drafted"] == 1
    assert said["dispatches"]["did/sent"] == 1
    assert said["crm_writebacks"]["did/done"] >= 2
    assert said["leads"]["lead_ids"] == [world.one("select lead_id from leads")]


class Dear(TemplateWriter):
    """The template writer at a price."""

    def write(self, requests: Sequence[SlotRequest]) -> list[WrittenSlots]:
        return [
            replace(w, writer="openai:gpt-4o", tokens=420, cost_usd=0.0012) for w in super().write(requests)
        ]


def test_a_run_says_whom_it_answered_and_what_the_words_took(
    engine: Engine, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    house = house_of(engine, tmp_path, writer=Dear())
    world = World(house, tmp_path, now=datetime.now(UTC))
    world.post(hot(world), hot(world, "ben@other.example", company="Other"))
    location = build_defs({"house": house})
    said = run(location, "first_touch", instance)
    drafts = said["message_drafts"]
    assert (drafts["tokens"], drafts["cost_usd"]) == (840, 0.0024)
    assert drafts["did/writer:openai:gpt-4o"] == 2
    assert "0.001200" in drafts["newest"]
    leads = {r["lead_id"] for r in world.rows("select lead_id from leads")}
    (record,) = instance.get_run_records()
    assert set(record.dagster_run.tags["leadops/answered"].split()) == leads
    run(location, "first_touch", instance)
    idle = max(instance.get_run_records(), key=lambda r: r.storage_id)
    assert "leadops/answered" not in idle.dagster_run.tags


def test_a_run_says_the_mode_why_and_what_waits_for_a_person(
    engine: Engine, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    house = house_of(engine, tmp_path, loaded=in_mode("by_volume"))
    world = World(house, tmp_path, now=datetime.now(UTC))
    world.post(hot(world))
    location = build_defs({"house": house})
    said = run(location, "first_touch", instance)["dispatches"]
    assert (said["did/in_review"], said["in_review"], said["mode"]) == (1, 1, "by_volume")
    assert said["mode_reason"].startswith("1 lead in 30 days, fewer than 50: a person approves")
    assert world.outbox() == []
    (waits,) = waiting(engine)
    approve(engine, [waits.touch_id], "anna", now=datetime.now(UTC))
    said = run(location, "due_touches", instance)["dispatches"]
    assert (said["did/sent"], said["in_review"]) == (1, 0)
    assert "in_review_since" not in said
    (mail,) = world.outbox()
    assert digest_of(mail.read_bytes()) == waits.digest


def test_previews_show_rows_and_nobody(
    world: World, location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    world.post(hot(world))
    said = run(location, "first_touch", instance)
    lead = world.one("select lead_id from leads")
    for asset, name in [("leads", "newest"), ("lead_scores", "newest"), ("enrolments", "newest")]:
        assert lead in said[asset][name]
    everything = str(said).lower()
    for personal in ("anna", "acme"):
        assert personal not in everything


def test_a_second_run_finds_nothing_and_sends_nothing(
    world: World, location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    world.post(hot(world))
    run(location, "first_touch", instance)
    said = run(location, "first_touch", instance)
    assert len(world.outbox()) == 1
    assert all(not m["leads"] for m in said.values())


def test_write_back_alone_sends_no_mail(
    world: World, location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    world.post(hot(world))
    world.chain.pass_once(world.now)
    with world.house.engine.begin() as connection:
        connection.execute(
            text("update touches set due_at = :now where state = 'planned'"), {"now": world.now}
        )
        connection.execute(text("update crm_writebacks set state = 'pending', due_at = created_at"))
    before = len(world.outbox())
    said = run(location, "write_back", instance)
    assert set(said) == {"crm_writebacks"}
    assert said["crm_writebacks"]["did/done"] >= 1
    assert len(world.outbox()) == before
    assert not world.rows("select 1 from crm_writebacks where state = 'pending'")


def test_due_touches_sends_what_is_due_without_looking_at_new_events(
    world: World, location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    world.post(hot(world))
    world.chain.pass_once(world.now)
    assert len(world.outbox()) == 1
    world.post(hot(world, "ben@other.example"))
    with world.house.engine.begin() as connection:
        connection.execute(
            text("update touches set due_at = :now where state = 'planned' and position = 2"),
            {"now": world.now},
        )
    said = run(location, "due_touches", instance)
    assert set(said) == {"message_drafts", "dispatches", "crm_writebacks", "handoffs"}
    assert said["dispatches"]["did/claimed"] == 1
    assert world.one("select count(*) from lead_events where pending_fold") == 1


def test_handle_inbound_stops_everything_and_sends_nothing(
    world: World, location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    world.post(hot(world))
    run(location, "first_touch", instance)
    words = {"subject": "Re: demo", "text": "Thanks, please call me tomorrow."}
    world.post(wire("reply_received", at=world.now, properties=words))
    said = run(location, "handle_inbound", instance)
    assert set(said) == {"replies", "leads", "handoffs", "crm_writebacks"}
    assert said["replies"]["did/positive"] == 1
    assert world.one("select state from enrolments") == "finished_replied"
    assert not world.rows("select 1 from touches where state = 'planned'")
    assert "please call me tomorrow" in (world.folder / "crm" / "tasks.jsonl").read_text()
    run(location, "due_touches", instance)
    assert len(world.outbox()) == 1


class FailsFor(LocalEnrichment):
    """Offline, but for one address."""

    name = "offline"

    def __init__(self, address: str) -> None:
        self.address, self.inner = address, OfflineEnrichment()

    def enrich(self, state: LeadState) -> dict[str, EvidenceField]:
        if state.address == self.address:
            raise ValueError(f"cannot look up {self.address}")
        return self.inner.enrich(state)


class SpeechlessFor(SlotWriter):
    """The template writer, but for one first name."""

    name = "template"

    def __init__(self, first_name: str) -> None:
        self.first_name, self.inner = first_name, TemplateWriter()

    def write(self, requests: Sequence[SlotRequest]) -> list[WrittenSlots]:
        if any(self.first_name in r.evidence.values() for r in requests):
            raise ValueError(f"no words for {self.first_name}")
        return self.inner.write(requests)

    def check(self) -> None:
        pass


@pytest.mark.parametrize(
    ("replaced", "asset", "code", "mails"),
    [
        ({"enrichment": (FailsFor("bad@one.example"),)}, "enriched_leads", "enrich_offline_ValueError", 3),
        ({"writer": SpeechlessFor("Poison")}, "dispatches", "draft_ValueError", 2),
    ],
)
def test_one_lead_that_fails_is_parked_and_its_neighbours_finish_in_the_same_run(
    engine: Engine,
    tmp_path: Path,
    instance: dg.DagsterInstance,
    replaced: dict[str, Any],
    asset: str,
    code: str,
    mails: int,
) -> None:
    world = World(house_of(engine, tmp_path, **replaced), tmp_path)
    world.now = datetime.now(UTC)
    world.post(
        hot(world, "ada@two.example", first_name="Ada", company="Two"),
        hot(world, "bad@one.example", first_name="Poison", company="One"),
        hot(world, "cy@three.example", first_name="Cy", company="Three"),
    )
    said = run(build_defs({"house": world.house}), "first_touch", instance)
    assert len(world.outbox()) == mails
    assert list(said[asset]["parked"].values()) == [code]
    mailed = b"".join(path.read_bytes() for path in world.outbox())
    assert b"ada@two.example" in mailed
    assert b"cy@three.example" in mailed


def test_a_candidate_scorecard_is_compared_in_a_run(
    world: World, location: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    world.post(hot(world))
    run(location, "first_touch", instance)
    result = location.resolve_job_def("playbook_diff").execute_in_process(instance=instance)
    (output,) = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    said = {name: value.value for name, value in output.step_output_data.metadata.items()}
    assert (said["leads"], said["mature"], said["changed_tier"]) == (1, 0, 0)
    assert "| hot | 30 | 30 | none mature | none mature |" in said["tiers"]
    assert "acme" not in str(said)
