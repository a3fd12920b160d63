"""Runners: how work wakes them, and how others know that one lives.

A runner LISTENs on a connection of its own and holds a lock there for each lane it serves. Both end with the
connection, whatever ended it: nobody has to clean up, and nobody believes in a runner that was killed.
(A pooler that shares connections between transactions breaks both; a runner needs a connection of its own.)
https://www.postgresql.org/docs/current/sql-listen.html
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.engine import make_url

from leadops.store.engine import TEXTS, StoreError, rows, sql
from leadops.terms import STOP_KINDS, EventKind

CHANNEL = "leadops_work"
LANES = ("handle_inbound", "first_touch", "due_touches", "write_back")
"""The lanes, named as their jobs. A lock's number is a lane's place here."""
_LOCKS, _WORKERS = 0x1EAD, 0x1EAE
_SERVED = sql(
    f"""select distinct objid from pg_locks where locktype = 'advisory' and classid = {_LOCKS}
    and objsubid = 2 and granted
    and database = (select oid from pg_database where datname = current_database())"""
)


def lane_of(kind: EventKind) -> str:
    """Answers and stops have a lane of their own, so that they never stand behind a burst."""
    return "handle_inbound" if kind in STOP_KINDS else "first_touch"


def lanes_served(connection: Connection) -> set[str]:
    """Lanes that some runner serves at this moment."""
    return {LANES[r["objid"]] for r in rows(connection, _SERVED) if r["objid"] < len(LANES)}


def new_worker() -> str:
    """A name for a process that claims touches: the beginning of its lease tokens."""
    return f"w{secrets.randbits(31):08x}"


def _number(worker: str) -> int:
    return int(worker[1:], 16)


WORKERS_ALIVE = f"""select 'w' || lpad(to_hex(objid::bigint), 8, '0') from pg_locks
    where locktype = 'advisory' and classid = {_WORKERS} and objsubid = 2 and granted
    and database = (select oid from pg_database where datname = current_database())"""
"""SQL: the names of those that live. What a dead one has claimed nobody else has to wait for."""


@dataclass(slots=True)
class Listening:
    """A connection that hears of work. Every method raises StoreError ``db_unreachable`` where it is lost."""

    _connection: psycopg.Connection[Any]
    _lane: str

    def wait(self, seconds: float) -> bool:
        """Until this lane is told of work, at most so long; whether it was."""
        try:
            for notice in self._connection.notifies(timeout=seconds):
                if notice.payload == self._lane:
                    return True
        except psycopg.Error:
            raise _lost() from None
        return False

    def settle(self, seconds: float) -> None:
        """Let more of it come for so long: one run for all."""
        try:
            for _ in self._connection.notifies(timeout=seconds):
                pass
        except psycopg.Error:
            raise _lost() from None


@contextmanager
def listening(url: str, lane: str, worker: str) -> Iterator[Listening]:
    """Serve ``lane`` as ``worker``. ``url`` is SQLAlchemy's. Raises StoreError ``db_unreachable``."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    named: dict[str, Any] = {"application_name": f"runner {lane}", "connect_timeout": 10}
    try:
        connection = psycopg.connect(plain, autocommit=True, **named)
    except psycopg.Error:
        raise _lost() from None
    with connection:
        try:
            for number in ((_LOCKS, LANES.index(lane)), (_WORKERS, _number(worker))):
                connection.execute("select pg_advisory_lock_shared(%s::int, %s::int)", number)
            connection.execute(f"LISTEN {CHANNEL}")
        except psycopg.Error:
            raise _lost() from None
        try:
            yield Listening(connection, lane)
        finally:
            with suppress(psycopg.Error):  # else the server lets go when it hears of the end
                connection.execute("select pg_advisory_unlock_all()")


def _lost() -> StoreError:
    return StoreError("db_unreachable", "The database does not answer; is it running?")


_TELL = sql(f"select pg_notify('{CHANNEL}', lane) from unnest(:lanes) as lane", lanes=TEXTS)


def tell(connection: Connection, lanes: Iterable[str]) -> None:
    """Wake the runners of these lanes when this transaction commits."""
    named: Sequence[str] = sorted(lanes)
    if named:
        rows(connection, _TELL, lanes=named)
