"""From settings to databases: the embedded server and a real one, and what is said when it cannot be."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr
from sqlalchemy import NullPool, create_engine
from sqlalchemy.engine import make_url

from leadops.errors import UsageError
from leadops.runtime.databases import child_environment, databases_of, open_databases, shown_url
from leadops.settings import Settings
from leadops_tests.postgres_server import named


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="leadops-db-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def settings(home: Path, url: str | None = None, dagster: str | None = None) -> Settings:
    return Settings(
        _env_file=None,
        home=home,
        database_url=SecretStr(url) if url else None,
        dagster_url=SecretStr(dagster) if dagster else None,
    )


def asked(url: str, statement: str) -> object:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return connection.exec_driver_sql(statement).scalar()


@pytest.fixture
def missing(postgres_url: str) -> Iterator[str]:
    """URL of a database that does not exist yet; it and its Dagster twin are dropped at the end."""
    name = f'new "{os.getpid()}" %'
    yield named(postgres_url, name)
    engine = create_engine(postgres_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for each in (name, f"{name}_dagster"):
            quoted = engine.dialect.identifier_preparer.quote_identifier(each)
            connection.exec_driver_sql(f"drop database if exists {quoted} with (force)")


def test_without_a_url_the_embedded_server_is_started_with_both_databases(home):
    found = open_databases(settings(home))
    assert found.embedded is not None
    try:
        assert asked(found.business, "select current_database()") == "leadops"
        assert asked(found.dagster, "select current_database()") == "leadops_dagster"
        # Only run history may be lost in a crash.
        assert asked(found.business, "show synchronous_commit") == "on"
        assert asked(found.dagster, "show synchronous_commit") == "off"
        env = child_environment(found, settings(home))
        psycopg2.connect(
            host=env["LEADOPS_PG_HOST"],
            port=env["LEADOPS_PG_PORT"],
            user=env["LEADOPS_PG_USER"],
            password=env["LEADOPS_PG_PASSWORD"],
            dbname=env["LEADOPS_PG_DATABASE"],
        ).close()
        assert env["LEADOPS_HOME"] == env["DAGSTER_HOME"] == str(home.resolve())
        # A child finds the same databases by its environment, and no server of its own.
        child = open_databases(settings(home, env["LEADOPS_DATABASE_URL"], env["LEADOPS_DAGSTER_URL"]))
        assert (child.business, child.dagster, child.metrics_env, child.embedded) == (
            found.business,
            found.dagster,
            found.metrics_env,
            None,
        )
    finally:
        found.embedded.stop()


def test_missing_databases_are_created_on_a_real_server(home, missing):
    for _ in range(2):
        found = open_databases(settings(home, missing))
    assert asked(found.business, "select 1") == 1
    assert asked(found.dagster, "show synchronous_commit") == "off"
    assert not list(home.iterdir())


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+asyncpg"])
def test_any_spelling_of_the_scheme_is_understood(home, scheme):
    found = databases_of(settings(home, f"{scheme}://u:p%40ss@db.example:6000/sales?sslmode=require"))
    assert found.business == "postgresql+psycopg://u:p%40ss@db.example:6000/sales?sslmode=require"
    assert found.dagster == "postgresql+psycopg2://u:p%40ss@db.example:6000/sales_dagster?sslmode=require"
    assert found.metrics_env == {
        "LEADOPS_PG_HOST": "db.example",
        "LEADOPS_PG_PORT": "6000",
        "LEADOPS_PG_USER": "u",
        "LEADOPS_PG_PASSWORD": "p@ss",
        "LEADOPS_PG_DATABASE": "sales",
        "PGSSLMODE": "require",
    }


def test_dagster_may_have_a_server_of_its_own(home):
    found = databases_of(settings(home, "postgres://u:p@one/sales", "postgres://v:q@two/runs"))
    assert found.dagster == "postgresql+psycopg2://v:q@two/runs"


@pytest.mark.parametrize(
    "url", ["mysql://u:secretword@h/x", "secretword", "postgresql://u:secretword@h", "://"]
)
def test_what_is_no_database_url_is_refused_without_repeating_it(home, url):
    with pytest.raises(UsageError, match="LEADOPS_DATABASE_URL is not the URL") as refused:
        open_databases(settings(home, url))
    assert "secretword" not in str(refused.value)


def test_a_wrong_password_is_one_sentence_without_it(home, postgres_url):
    url = make_url(postgres_url).set(password="secretword", database="postgres")
    if "peer" in (Path(str(url.query.get("host", "/nowhere"))).parent / "pg_hba.conf").read_text():
        pytest.skip("the same account needs no password")
    with pytest.raises(UsageError, match="password authentication failed") as refused:
        open_databases(settings(home, url.render_as_string(hide_password=False)))
    assert refused.value.code == "database_unreachable"
    assert "secretword" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_server_that_is_not_there_is_one_sentence(home):
    with pytest.raises(UsageError, match="LEADOPS_DATABASE_URL cannot be used") as refused:
        open_databases(settings(home, f"postgresql://u:secretword@/x?host={home}"))
    assert "secretword" not in str(refused.value)


def test_the_shown_url_has_a_password_only_when_asked_for():
    url = "postgresql+psycopg2://u:secretword@/x?host=%2Fa%20b"
    assert shown_url(url) == "postgresql://u@/x?host=%2Fa%20b"
    assert shown_url(url, password=True) == "postgresql://u:secretword@/x?host=%2Fa%20b"


def test_passwords_are_not_in_the_repr(home):
    assert "secretword" not in repr(databases_of(settings(home, "postgresql://u:secretword@h/x")))
