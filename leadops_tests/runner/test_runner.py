"""`leadops runner` as a real process over real databases: told, killed, interrupted, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.launcher import WorkerStatus
from sqlalchemy import Engine, create_engine, text

from leadops.domain.keys import Keyring
from leadops.instance import Launcher
from leadops.instance.worker_tag import TAG, worker_of
from leadops.providers.crm.port import RawRow
from leadops.runner import lanes
from leadops.settings import PROJECT_ROOT
from leadops.stages.ingest import ingest
from leadops.store.engine import open_engine, transaction
from leadops.store.runners import LANES, lanes_served
from leadops_tests import postgres_server
from leadops_tests.house import DEMO, wire
from leadops_tests.running import environment, eventually

pytestmark = [pytest.mark.xdist_group("runner"), pytest.mark.timeout(300)]
SECRET = "runner-tests"


@dataclass
class Ground:
    """A home with two databases, where runners are started."""

    home: Path
    engine: Engine
    env: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *more: str, **env: str) -> subprocess.Popen[bytes]:
        """A runner that serves every lane."""
        with (self.home / "runner.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "leadops.cli.runner", *more],
                env={**self.env, **env}, cwd=PROJECT_ROOT, stdout=log, stderr=log,
            )  # fmt: skip
        self.started.append(process)
        eventually(lambda: self.served() == set(LANES) or process.poll() is not None, "all lanes served", 90)
        assert process.poll() is None, self.log()
        return process

    def served(self) -> set[str]:
        with transaction(self.engine) as connection:
            return lanes_served(connection)

    def log(self) -> str:
        return (self.home / "runner.log").read_text(encoding="utf-8", errors="replace")

    def post(self, *events: dict[str, Any]) -> None:
        rows = [RawRow(event=e, error=None, raw=e, where="test") for e in events]
        taken = ingest(self.engine, rows, now=datetime.now(UTC), keyring=Keyring(SECRET.encode()))
        assert taken.quarantined == 0, taken.items

    def hot(self, number: int) -> str:
        """Somebody asks for a demo; their address."""
        address = f"lead{number}@company{number}.example"
        who = {**DEMO, "company": f"Company {number}"}
        self.post(wire("demo_requested", address, at=datetime.now(UTC), id=f"d{number}", **who))
        return address

    def sent(self) -> int:
        return self.count("select count(*) from touches where state = 'sent'")

    def count(self, statement: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text(statement)).scalar_one())

    @contextmanager
    def instance(self) -> Iterator[DagsterInstance]:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("LEADOPS_DAGSTER_URL", "DAGSTER_HOME"):
                patch.setenv(name, self.env[name])
            with DagsterInstance.from_config(self.env["DAGSTER_HOME"]) as found:
                yield found

    def runs(self, job: str, *statuses: DagsterRunStatus) -> list[DagsterRun]:
        with self.instance() as instance:
            return list(instance.get_runs(RunsFilter(job_name=job, statuses=list(statuses) or None)))

    def workers(self, process: subprocess.Popen[bytes]) -> list[psutil.Process]:
        return psutil.Process(process.pid).children()


@pytest.fixture(scope="module")
def dagster_url(postgres_url: str) -> Iterator[str]:
    """Dagster's tables, made once."""
    with postgres_server.fresh_database(postgres_url, migrated=False) as url:
        yield url.replace("+psycopg", "+psycopg2")


@pytest.fixture
def ground(database_url: str, dagster_url: str) -> Iterator[Ground]:
    home = Path(tempfile.mkdtemp(prefix="leadops-runner-")) / "home"
    home.mkdir()
    (home / "dagster.yaml").symlink_to(PROJECT_ROOT / "dagster.yaml")
    env = environment(
        home,
        LEADOPS_DATABASE_URL=database_url,
        LEADOPS_DAGSTER_URL=dagster_url,
        LEADOPS_SECRET_KEY=SECRET,
        DAGSTER_HOME=str(home),
    )
    engine = open_engine(database_url)
    made = Ground(home, engine, env)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.wait(20)
    eventually(lambda: not made.served(), "its workers are gone", 20)
    engine.dispose()
    with create_engine(dagster_url).begin() as connection:
        connection.execute(text("truncate runs, run_tags, event_logs cascade"))
    shutil.rmtree(home.parent, ignore_errors=True)


def test_a_lead_is_answered_by_a_run_like_any_other(ground: Ground) -> None:
    ground.start()
    ground.hot(1)
    eventually(lambda: ground.sent() == 1, "the lead answered", 20, 0.05)
    (run,) = eventually(lambda: ground.runs("first_touch", DagsterRunStatus.SUCCESS), "its run over")
    assert run.tags["leadops/trigger"] == "runner"
    assert run.remote_job_origin is not None, "or its page could not execute it again"
    assert run.remote_job_origin.repository_origin.code_location_origin.location_name == "leadops"
    assert {key.to_user_string() for key in run.asset_selection or ()} == _made_by("first_touch")
    assert run.asset_check_selection == frozenset(), "checks observe, on a schedule of their own"
    worker = worker_of(run.run_id, run.tags[TAG])
    assert worker is not None
    assert worker.lives
    eventually(lambda: ground.runs("write_back", DagsterRunStatus.SUCCESS), "the CRM told, by its own lane")
    with ground.instance() as instance:
        # The lane of due touches may have made the asset again since.
        seen = instance.fetch_materializations(_key("dispatches"), limit=20).records
        assert run.run_id in {record.run_id for record in seen}


@pytest.mark.full
def test_a_reply_stops_the_rest_in_its_own_lane(ground: Ground) -> None:
    ground.start()
    address = ground.hot(1)
    eventually(lambda: ground.sent() == 1, "the lead answered", 20, 0.05)
    words = {"subject": "Re: demo", "text": "Thanks, please call me tomorrow."}
    ground.post(wire("reply_received", address, at=datetime.now(UTC), id="r1", properties=words))
    ended = "select count(*) from enrolments where state = 'finished_replied'"
    eventually(lambda: ground.count(ended) == 1, "the enrolment over", 20, 0.05)
    assert ground.count("select count(*) from handoffs") == 1
    assert eventually(lambda: ground.runs("handle_inbound", DagsterRunStatus.SUCCESS), "its run")


def test_a_worker_that_is_killed_comes_back_and_its_run_is_failed(ground: Ground) -> None:
    process = ground.start(LEADOPS_PLAYBOOK=str(_slow_playbook(ground)), **_silent_writer())
    ground.hot(1)
    (run,) = eventually(lambda: ground.runs("first_touch", DagsterRunStatus.STARTED), "a run under way")
    worker = worker_of(run.run_id, run.tags[TAG])
    assert worker is not None
    os.kill(worker.process.pid, signal.SIGKILL)
    with ground.instance() as instance:
        launcher = Launcher()
        launcher.register_instance(instance)
        eventually(lambda: not worker.lives, "it is gone", 10)
        assert launcher.check_run_worker_health(run).status is WorkerStatus.FAILED
    eventually(lambda: ground.runs("first_touch", DagsterRunStatus.FAILURE), "its run failed", 30)
    eventually(lambda: "first_touch" in ground.served(), "somebody serves the lane again", 30)
    assert process.poll() is None


@pytest.mark.full
def test_a_run_that_is_ended_in_its_page_ends_and_the_runner_lives_on(ground: Ground) -> None:
    ground.start(LEADOPS_PLAYBOOK=str(_slow_playbook(ground)), **_silent_writer())
    ground.hot(1)
    (run,) = eventually(lambda: ground.runs("first_touch", DagsterRunStatus.STARTED), "a run under way")
    with ground.instance() as instance:
        launcher = Launcher()
        launcher.register_instance(instance)
        assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
        assert launcher.terminate(run.run_id)
    eventually(lambda: ground.runs("first_touch", DagsterRunStatus.CANCELED), "cancelled", 30)
    worker = worker_of(run.run_id, run.tags[TAG])
    assert worker is not None
    assert worker.lives


def test_killed_altogether_nobody_believes_in_it(ground: Ground) -> None:
    process = ground.start()
    children = ground.workers(process)
    assert len(children) == len(LANES)
    process.kill()
    process.wait(10)
    eventually(lambda: not ground.served(), "no lane served", 10, 0.05)
    assert psutil.wait_procs(children, timeout=10)[1] == []


@pytest.mark.full
def test_asked_to_stop_it_finishes_what_it_does(ground: Ground) -> None:
    process = ground.start("--workers", "2")
    assert len(ground.workers(process)) == len(LANES) + 1
    for number in range(5):
        ground.hot(number)
    eventually(lambda: ground.runs("first_touch"), "a run begun", 20, 0.02)
    process.terminate()
    assert process.wait(40) == 0, ground.log()
    assert ground.served() == set()
    under_way = (DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.CANCELED)
    assert ground.runs("first_touch", *under_way) == []
    assert ground.count("select count(*) from touches where state in ('claimed', 'handing_over')") == 0


def test_what_cannot_work_is_one_sentence(ground: Ground) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "leadops.cli.runner"],
        env={**ground.env, "LEADOPS_EMAIL": "sendgrid"}, cwd=PROJECT_ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "LEADOPS_SENDGRID_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def _made_by(lane: str) -> set[str]:
    return {asset for found in lanes.LANES if found.name == lane for asset in found.assets}


def _key(name: str) -> Any:
    from dagster import AssetKey

    return AssetKey(name)


def _silent_writer() -> dict[str, str]:
    """A model that never answers: a run that waits for it is under way for long."""
    return {
        "LEADOPS_WRITER": "openai",
        "LEADOPS_OPENAI_KEY": "nobody",
        "LEADOPS_OPENAI_URL": "http://10.255.255.1:9/v1",
    }


def _slow_playbook(ground: Ground) -> Path:
    """The default playbook: every hot lead asks the model, and waits for it longer than a test does."""
    import yaml

    folder = ground.home / "playbook"
    shutil.copytree(PROJECT_ROOT / "playbook", folder)
    path = folder / "playbook.yaml"
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    given["sequences"]["hot"]["variants"] = {"question": 100}
    given["writer"] = {**given.get("writer", {}), "timeout_s": 60, "deadline_s": 60}
    path.write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
    return path
