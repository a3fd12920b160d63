"""What is read straight from the driver behaves as what SQLAlchemy reads: values, errors, events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from leadops.store.engine import (
    TEXTS,
    StoreError,
    on_conflict_update,
    one_value,
    open_engine,
    put,
    rows,
    sql,
    transaction,
)
from leadops.store.tables import crm_writebacks

NOW = datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
_EVERYTHING = sql(
    """select cast(:at as timestamptz) as at, cast(:given as jsonb) as given, 1.5::float8 as score,
    cast(:names as text[]) as names, null as nothing, '10%' as share, cardinality(:names) as n""",
    names=TEXTS,
)
_FAILS = sql("select 1 / :zero as never")
_WHO = sql("select pg_backend_pid() as pid")
_END = sql("select pg_terminate_backend(:pid)")


def test_values_are_those_that_sqlalchemy_reads(engine: Engine) -> None:
    given = {"at": NOW, "given": '{"a": [1, {"b": null}]}', "names": ["x", "100 %"]}
    with transaction(engine) as connection:
        plain = [dict(r) for r in connection.execute(_EVERYTHING, given).mappings()]
        assert rows(connection, _EVERYTHING, **given) == plain
        assert one_value(connection, _EVERYTHING, **given) == NOW
        assert one_value(connection, sql("select 1 where false")) is None
    assert plain[0]["given"] == {"a": [1, {"b": None}]}
    assert plain[0]["share"] == "10%"


def test_an_error_is_a_code_and_the_transaction_is_rolled_back(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("create table kept (n int)"))
    with pytest.raises(StoreError) as failed:
        _insert_and_fail(engine)
    assert failed.value.code == "db_22012"
    with transaction(engine) as connection:
        assert one_value(connection, sql("select count(*) from kept")) == 0


def _insert_and_fail(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("insert into kept values (1)"))
        rows(connection, _FAILS, zero=0)


def _insert_and_fail(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("insert into kept values (1)"))
        rows(connection, _FAILS, zero=0)


def test_a_lost_connection_is_told_as_such_and_replaced(database_url: str) -> None:
    engine, other = open_engine(database_url), open_engine(database_url)
    try:
        with pytest.raises(StoreError) as lost:
            _lose_and_ask(engine, other)
        assert lost.value.code == "db_unreachable"
        with transaction(engine) as connection:
            assert one_value(connection, _WHO) > 0
    finally:
        engine.dispose()
        other.dispose()


def _lose_and_ask(engine: Engine, other: Engine) -> None:
    with transaction(engine) as connection:
        pid = one_value(connection, _WHO)
        with transaction(other) as killer:
            one_value(killer, _END, pid=pid)
        rows(connection, _WHO)


def _lose_and_ask(engine: Engine, other: Engine) -> None:
    with transaction(engine) as connection:
        pid = one_value(connection, _WHO)
        with transaction(other) as killer:
            one_value(killer, _END, pid=pid)
        rows(connection, _WHO)


def test_rows_are_put_as_they_are_given(engine: Engine) -> None:
    given = [
        {"dedupe_key": f"k{n}", "kind": "touch", "lead_id": "l", "payload": payload, "state": "pending"}
        | {"created_at": NOW + n * timedelta(microseconds=1), "due_at": NOW, "detail": None}
        for n, payload in enumerate([{"ö": [0.1, 1.5, None], "'": {}}, MappingProxyType({"a": ":b %s"})])
    ]
    with transaction(engine) as connection:
        assert put(connection, crm_writebacks, given, returning="dedupe_key") == ["k0", "k1"]
        changed = [given[1] | {"kind": "task"}, given[1] | {"dedupe_key": "k2"}]
        assert put(connection, crm_writebacks, changed, returning="dedupe_key") == ["k2"]
        stored = rows(connection, sql("select * from crm_writebacks order by dedupe_key"))
        assert [{n: r[n] for n in given[0]} for r in stored] == [
            g | {"payload": dict(g["payload"])} for g in [*given, changed[1]]
        ]
        put(connection, crm_writebacks, changed, on_conflict_update("dedupe_key", "kind"))
        assert one_value(connection, sql("select kind from crm_writebacks where dedupe_key = 'k1'")) == "task"
        assert put(connection, crm_writebacks, []) == []


def test_who_listens_to_statements_hears_of_them(engine: Engine) -> None:
    heard: list[str] = []

    def listen(_connection: object, _cursor: object, statement: str, *_: Any) -> None:
        heard.append(statement)

    event.listen(engine, "before_cursor_execute", listen)
    event.listen(engine, "after_cursor_execute", listen)
    with transaction(engine) as connection:
        rows(connection, _WHO)
    assert heard == ["select pg_backend_pid() as pid"] * 2


def test_what_is_written_on_a_bare_connection_is_committed_by_its_commit(engine: Engine) -> None:
    """``rows`` goes past SQLAlchemy's own ``execute``: it begins a transaction all the same."""
    with engine.connect() as connection:
        connection.execute(text("create table kept (n int)"))
        connection.commit()
        rows(connection, text("insert into kept values (1) returning n"))
        connection.rollback()
        rows(connection, text("insert into kept values (2) returning n"))
        connection.commit()
    with engine.connect() as connection:
        assert [r["n"] for r in rows(connection, text("select n from kept"))] == [2]
