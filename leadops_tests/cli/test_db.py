"""``leadops db`` as a person types it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from leadops.runtime.postgres import EmbeddedPostgres
from leadops.store import migrate


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="leadops-cli-"))
    made.chmod(0o755)
    yield made
    EmbeddedPostgres(made).stop()
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def db(home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``leadops db ...`` in a process of its own."""

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("LEADOPS_")}
        found_at = os.pathsep.join([str(Path.cwd()), *sys.path])
        return subprocess.run(
            [sys.executable, "-c", "from leadops.cli.db import app; app(prog_name='leadops db')", *words],
            env={
                **kept,
                "PYTHONPATH": found_at,
                "LEADOPS_HOME": str(home),
                **variables,
            },
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.full  # seven processes, each with its imports: over 15 s on a busy machine
def test_start_upgrade_url_stop(db, home):
    started = db("start")
    assert started.returncode == 0, started.stderr
    assert f"tables at version {migrate.head()}." in started.stdout
    assert db("start").stdout == started.stdout
    assert db("upgrade").stdout == f"Tables are at version {migrate.head()}.\n"

    password = (home / "postgres_password").read_text().strip()
    assert password not in db("url").stdout
    # What is printed is fit for libpq as it is.
    with psycopg.connect(db("url", "--password").stdout.strip()) as connection:
        assert connection.execute("select count(*) from leads").fetchone() == (0,)
    with psycopg.connect(db("url", "--password", "--dagster").stdout.strip()) as connection:
        assert connection.info.dbname == "leadops_dagster"

    assert db("stop").stdout == "Postgres is stopped.\n"
    again = db("stop")
    assert (again.returncode, again.stdout) == (0, "Postgres was not running.\n")


def test_a_server_of_somebody_elses_is_not_stopped(db):
    said = db("stop", LEADOPS_DATABASE_URL="postgresql://u:secretword@h/x")
    assert said.returncode != 0
    assert "leadops did not start" in said.stderr
    assert "secretword" not in said.stderr
