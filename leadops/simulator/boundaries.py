"""Where a process can die: around every commit and every call of a provider. One place names them all.

A commit's boundary is named after the function of ours that opened the transaction, a call's after the
vendor and what was asked, so that the set of boundaries is the same in every run, whatever the data.
https://docs.sqlalchemy.org/en/21/core/internals.html#sqlalchemy.engine.Dialect.do_commit
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Engine, event

BEFORE_COMMIT, AFTER_COMMIT = "before commit", "after commit"
BEFORE_CALL, DURING_CALL, AFTER_CALL = "before call", "during call", "after call"
_OURS = "leadops.stages."
_IDS = re.compile(r"/(?:\d+|[0-9a-f-]{20,})(?=/|$)")


class Boundary(NamedTuple):
    """One of them. ``place``: ``hand_over.hand_over``, or ``sendgrid POST /v3/mail/send``."""

    when: str
    place: str

    def __str__(self) -> str:
        return f"{self.when}: {self.place}"


class Crash(BaseException):
    """The simulated kill of a worker: no handler of ours runs, and its connection is dropped.

    SQLAlchemy drops a connection in which anything but an ``Exception`` was raised; what it had not committed
    is rolled back before anybody else goes on.
    """


Passed = Callable[[Boundary], None]


def watch_commits(engine: Engine, passed: Passed) -> None:
    """Tell ``passed`` of every commit of this engine, right before and right after it. It may raise Crash."""
    dialect: Any = engine.dialect
    commit = dialect.do_commit

    def watched(connection: Any) -> None:
        place = _opened_by()
        passed(Boundary(BEFORE_COMMIT, place))
        commit(connection)
        passed(Boundary(AFTER_COMMIT, place))

    dialect.do_commit = watched

    @event.listens_for(engine, "invalidate")
    def _dropped(connection: Any, _record: object, _error: object) -> None:
        # A server rolls back some moment after its client died: which worker still meets the locks would be
        # the machine's choice. Where the server itself ended the connection, it has done so.
        with contextlib.suppress(psycopg.OperationalError):
            connection.rollback()


def place_of(vendor: str, method: str, path: str) -> str:
    """A call's place: ids in its path are left out."""
    return f"{vendor} {method} {_IDS.sub('/ID', path)}"


def _opened_by() -> str:
    """The stage's function whose transaction this is; the outermost frames are the caller's business."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_OURS):
            return f"{module.removeprefix(_OURS)}.{frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return "elsewhere"
