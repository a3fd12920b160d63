"""Nothing personal gets into Dagster: not into its tables, not into its logs, whatever goes wrong.

Words that occur nowhere else are planted wherever a person's data can stand, errors of every kind are
provoked, and everything Dagster wrote is searched for them.
"""

from __future__ import annotations

import json
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.engine import make_url

from leadops.definitions import build_defs
from leadops.errors import LeadopsError
from leadops.providers.crm.files import FilesCrm
from leadops.providers.crm.port import Poll, WritebackResult
from leadops.providers.email.outbox import Outbox
from leadops.providers.enrichment.port import LocalEnrichment
from leadops.providers.llm.port import SlotRequest, SlotWriter, WrittenSlots
from leadops.sandbox.crm_folder import CrmFolder
from leadops.sandbox.people import a_hot_one
from leadops.terms import EvidenceField, LeadState, SendResult
from leadops_tests import postgres_server
from leadops_tests.house import World, house_of, wire

CANARIES = {
    "address": "zqaddress",
    "first_name": "Zqfirst",
    "last_name": "Zqlast",
    "company": "Zqcompany",
    "phone": "55598761234",
    "message": "Zqmessage",
    "subject": "Zqsubject",
}
ADDRESS = "zqaddress@zqcompany.example"
PERSON: Mapping[str, Any] = {
    "first_name": "Zqfirst",
    "last_name": "Zqlast",
    "company": "Zqcompany",
    "phone": "+1 555 98761234",
    "title": "VP Operations",
    "company_size": 400,
    "country": "US",
}
WORDS = {
    "subject": "Re: Zqsubject",
    "text": "Zqmessage: call Zqfirst Zqlast at 55598761234",
    "message": "Zqmessage",
}


class Dagster:
    """A Dagster instance with Postgres storage and logs of its own, and what stands in both."""

    def __init__(self, url: str, home: Path) -> None:
        self.url, self.home = url, home
        sync = make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        config = {
            "storage": {"postgres": {"postgres_url": sync}},
            "compute_logs": {
                "module": "dagster.core.storage.local_compute_log_manager",
                "class": "LocalComputeLogManager",
                "config": {"base_dir": str(home / "logs")},
            },
            "telemetry": {"enabled": False},
        }
        home.mkdir()
        (home / "dagster.yaml").write_text(json.dumps(config), encoding="utf-8")
        self.instance = dg.DagsterInstance.from_config(str(home))
        self._told: set[str] = set()

    def everything(self) -> Iterator[tuple[str, str]]:
        """(where, text) of every row of every table and every file."""
        engine = create_engine(self.url, poolclass=NullPool)
        names = "select table_name from information_schema.tables where table_schema = 'public'"
        with engine.connect() as connection:
            for name in connection.execute(text(names)).scalars().all():
                for row in connection.execute(text(f'select t::text from "{name}" t')).scalars():
                    yield f"table {name}", row
        for path in sorted(self.home.rglob("*")):
            if path.is_file():
                yield f"file *{path.suffix}", path.read_text(encoding="utf-8", errors="replace")

    def leaks(self) -> list[str]:
        """What is found now and was not when this was asked before."""
        found = {
            f"{what} in {where}"
            for where, row in self.everything()
            for what, canary in CANARIES.items()
            if canary.lower() in row.lower()
        }
        new, self._told = found - self._told, self._told | found
        return sorted(new)


@contextmanager
def opened(postgres_url: str, home: Path) -> Iterator[Dagster]:
    with postgres_server.fresh_database(postgres_url, migrated=False) as url:
        made = Dagster(url, home)
        with made.instance:
            yield made


@pytest.fixture(scope="module")
def dagster(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagster]:
    """One for all mishaps: its tables take seconds to make."""
    with opened(postgres_url, tmp_path_factory.mktemp("dagster") / "home") as made:
        yield made


# --- what goes wrong ----------------------------------------------------------------------------------


# Made here: a trace shows the line that raises, and that line must not be what is found.
QUOTE = f"cannot handle {ADDRESS}: " + " ".join(CANARIES.values())


def _cry() -> Any:
    raise ValueError(QUOTE)


class BadEnrichment(LocalEnrichment):
    name = "offline"

    def enrich(self, state: LeadState) -> dict[str, EvidenceField]:
        return _cry()


class BadWriter(SlotWriter):
    name = "template"

    def write(self, requests: Sequence[SlotRequest]) -> list[WrittenSlots]:
        return _cry()

    def check(self) -> None:
        pass


class BadOutbox(Outbox):
    def send(self, key: str, from_address: str, to_address: str, wire: bytes) -> SendResult:
        return _cry()


class BadCrm(FilesCrm):
    def write(self, items: Any) -> list[WritebackResult]:
        return _cry()

    def poll(self, cursor: str | None, limit: int, should_stop: Callable[[], bool]) -> Poll:
        return _cry()


class QuotingCrm(FilesCrm):
    """Raises ours while handling one that quotes: the chain must be cut."""

    def write(self, items: Any) -> list[WritebackResult]:
        try:
            return _cry()
        except ValueError:
            raise LeadopsError("crm_gone", "The CRM is gone.") from ValueError(QUOTE)


_DUPLICATE = """create function twin() returns trigger language plpgsql as $$ begin
raise unique_violation using message = 'duplicate key value',
detail = 'Key (email)=(%s) already exists.'; end $$;
create trigger twin before insert on %s for each row execute function twin()"""
_CONSTRAINT = f"alter table leads add constraint no_such_person check (email <> '{ADDRESS}')"


def everything_planted(world: World) -> None:
    """Good, bad and repulsive input with the canaries in it."""
    now = world.now
    world.post(
        wire("demo_requested", ADDRESS, at=now, id="one", properties=WORDS, **PERSON),
        wire("demo_requested", ADDRESS, at=now, id="one", properties=WORDS, **PERSON),
        wire("reply_received", ADDRESS, at=now - timedelta(days=1), properties=WORDS, **PERSON),
        wire("message_received", "b." + ADDRESS, at=now, properties=WORDS, **PERSON),
        wire("no_such_kind", ADDRESS, at=now, properties=WORDS, **PERSON),
        wire("form_submitted", "zqaddress at nowhere", at=now, properties=WORDS, **PERSON),
        wire("email_bounced", "c." + ADDRESS, at=now, properties=WORDS, **PERSON),
    )
    folder = CrmFolder(world.folder / "crm", world.folder / "outbox")
    folder.open(0, now)
    row = a_hot_one(1, now) | {
        k: str(v) for k, v in PERSON.items() if k in ("first_name", "last_name", "company")
    }
    folder.add(row | {"email": "d." + ADDRESS})
    folder.add(row | {"id": "demo-2", "created_at": f"yesterday, says {ADDRESS}"})
    with folder.events.open("a", encoding="utf-8") as stream:
        stream.write(f'{{"kind": "reply_received", "broken {ADDRESS} Zqmessage\n')


HOT_JOBS = ("first_touch", "handle_inbound")
EVERY_JOB = (*HOT_JOBS, "due_touches", "write_back", "reconcile", "observe")


def run_everything(world: World, dagster: Dagster, jobs: Sequence[str] = HOT_JOBS) -> dict[str, bool]:
    """The sensors' ticks, then jobs; whether each went well. Ticks leave what the daemon would store."""
    location = build_defs({"house": world.house})
    outcome = {}
    for sensor in ("crm_files", "pending_events"):
        outcome[sensor] = _tick(location, sensor, world, dagster)
    for job in jobs:
        resolved = location.resolve_job_def(job)
        outcome[job] = resolved.execute_in_process(instance=dagster.instance, raise_on_error=False).success
    return outcome


def _tick(location: dg.Definitions, sensor: str, world: World, dagster: Dagster) -> bool:
    context = dg.build_sensor_context(
        instance=dagster.instance, definitions=location, resources={"house": world.house}
    )
    kept = dagster.home / f"{sensor}-{uuid.uuid4().hex}.tick"
    try:
        found = location.resolve_sensor_def(sensor).evaluate_tick(context)
    except Exception as error:
        # As the code server does before the daemon stores it with the tick.
        told = SerializableErrorInfo.from_traceback(traceback.TracebackException.from_exception(error))
        kept.write_text(told.to_string(), encoding="utf-8")
        return False
    for event in found.asset_events:
        dagster.instance.report_runless_asset_event(event)
    kept.write_text(f"{found.skip_message} {found.run_requests}", encoding="utf-8")
    return True


def lights(world: World, *statements: str) -> None:
    with world.house.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


MISHAPS: dict[str, tuple[dict[str, Any], tuple[str, ...], set[str]]] = {
    "none": ({}, (), set()),
    "enrichment raises": ({"enrichment": (BadEnrichment(),)}, (), set()),
    "the writer raises": ({"writer": BadWriter()}, (), set()),
    "the mail provider raises": ({"email": BadOutbox}, (), set()),
    "the crm raises": ({"crm": BadCrm}, (), {"crm_files"}),
    "the crm raises ours": ({"crm": QuotingCrm}, (), set()),
    "a duplicate key in leads": ({}, (_DUPLICATE % (ADDRESS, "leads"),), {"first_touch"}),
    "a duplicate key in replies": ({}, (_DUPLICATE % (ADDRESS, "replies"),), set()),
    "a duplicate key in scores": ({}, (_DUPLICATE % (ADDRESS, "lead_scores"),), {"first_touch"}),
    "a duplicate key in drafts": ({}, (_DUPLICATE % (ADDRESS, "message_bodies"),), set()),
    "a duplicate key in the log": ({}, (_DUPLICATE % (ADDRESS, "event_payloads"),), {"crm_files"}),
    "a constraint fails": ({}, (_CONSTRAINT,), {"first_touch"}),
    "a table is gone": ({}, ("alter table crm_writebacks rename to elsewhere",), {"first_touch"}),
}


# Each is two runs, whose events cost a connection each; the others wait for the long tests.
ALWAYS = ("none", "the crm raises")


@pytest.mark.parametrize(
    "mishap", [m if m in ALWAYS else pytest.param(m, marks=pytest.mark.full) for m in MISHAPS]
)
def test_no_word_of_a_person_gets_into_dagster(
    engine: Engine, tmp_path: Path, dagster: Dagster, mishap: str
) -> None:
    replaced, statements, failing = MISHAPS[mishap]
    folders = {"crm": tmp_path / "crm", "email": tmp_path / "outbox"}
    parts = {k: v(folders[k]) if isinstance(v, type) else v for k, v in replaced.items()}
    world = World(house_of(engine, tmp_path, **parts), tmp_path, now=datetime.now(UTC))
    everything_planted(world)
    lights(world, *statements)
    outcome = run_everything(world, dagster, HOT_JOBS if mishap != "none" else EVERY_JOB)
    assert failing <= {what for what, well in outcome.items() if not well}, outcome
    assert dagster.leaks() == []


def test_the_search_finds_what_is_planted(postgres_url: str, tmp_path: Path) -> None:
    """A test that finds nothing must be able to find something."""

    @dg.op
    def blurt() -> None:
        dg.get_dagster_logger().info(QUOTE)
        print(QUOTE)  # noqa: T201
        _cry()

    @dg.job
    def careless() -> None:
        blurt()

    with opened(postgres_url, tmp_path / "dagster") as dagster:
        careless.execute_in_process(instance=dagster.instance, raise_on_error=False)
        found = dagster.leaks()
    assert {f"{what} in table event_logs" for what in CANARIES} <= set(found)
    assert any(leak.startswith("message in file") for leak in found)


def test_the_canaries_reached_our_own_tables(engine: Engine, tmp_path: Path, dagster: Dagster) -> None:
    world = World(house_of(engine, tmp_path), tmp_path, now=datetime.now(UTC))
    everything_planted(world)
    run_everything(world, dagster, ())
    ours = " ".join(str(r) for r in world.rows("select payload::text from event_payloads"))
    ours += " ".join(str(r) for r in world.rows("select raw::text, reason from quarantined_events"))
    assert [c for c in CANARIES.values() if c.lower() not in ours.lower()] == []


def test_what_nobody_foresaw_says_its_type_and_where() -> None:
    from leadops.defs.shield import UnexpectedError, without_words

    with pytest.raises(UnexpectedError) as caught, without_words():
        _cry()
    assert caught.value.code == "unexpected_ValueError"
    shown = "".join(traceback.format_exception(caught.value))
    assert "in _cry" in shown
    assert ADDRESS not in shown
    assert "Zqfirst" not in shown
