"""Migrations against real databases: complete, repeatable, safe side by side."""

from __future__ import annotations

import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text

from leadops.errors import UsageError
from leadops.store import migrate
from leadops.store.tables import metadata

# What Alembic does not compare: constraints' text, and the conditions of partial indexes.
SHAPE = """
select 'index', tablename, indexdef from pg_indexes where schemaname = 'public'
union all
select 'constraint', conrelid::regclass::text, conname || ' ' || pg_get_constraintdef(oid)
from pg_constraint where connamespace = 'public'::regnamespace
order by 1, 2, 3
"""


def shape(url: str) -> list[tuple[str, ...]]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(SHAPE))]
    return [row for row in rows if row[1] != "alembic_version"]


def test_the_migrated_database_is_what_tables_py_says(database_url):
    assert migrate.differences(database_url) == []


def test_indexes_and_constraints_are_those_of_tables_py(database_url, empty_database_url):
    engine = create_engine(empty_database_url, poolclass=NullPool)
    metadata.create_all(engine)
    assert shape(database_url) == shape(empty_database_url)


def test_upgrading_brings_an_empty_database_to_head_and_again_changes_nothing(empty_database_url):
    assert migrate.current(empty_database_url) is None
    migrate.upgrade(empty_database_url)
    assert migrate.current(empty_database_url) == migrate.head()
    migrate.upgrade(empty_database_url)
    assert migrate.current(empty_database_url) == migrate.head()


def test_upgrades_at_the_same_time_all_succeed(empty_database_url):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate.upgrade, [empty_database_url] * 4))
    assert migrate.current(empty_database_url) == migrate.head()
    assert migrate.differences(empty_database_url) == []


def test_a_failed_upgrade_leaves_nothing_behind(empty_database_url):
    engine = create_engine(empty_database_url, poolclass=NullPool)
    with engine.begin() as connection:
        # In the way of a table that is made late.
        connection.execute(text("create table message_bodies (n int)"))
    with pytest.raises(Exception, match="already exists"):
        migrate.upgrade(empty_database_url)
    assert migrate.current(empty_database_url) is None
    with engine.connect() as connection:
        assert connection.execute(text("select to_regclass('leads')")).scalar() is None


def test_a_database_of_a_newer_version_is_refused_and_left_alone(engine: Engine, database_url):
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(UsageError, match="at version 9999, which this leadops") as refused:
        migrate.upgrade(database_url)
    assert refused.value.code == "database_newer"
    assert migrate.current(database_url) == "9999"


def test_no_migration_reads_a_clock():
    versions = list((Path(inspect.getfile(migrate)).parent / "migrations" / "versions").glob("0*.py"))
    assert versions
    for path in versions:
        assert not re.search(r"\bnow\(|current_timestamp|clock_timestamp", path.read_text(), re.IGNORECASE)
