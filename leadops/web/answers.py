"""What the service answers when something is wrong, and what it may say of it in its log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import exc as sql_errors
from starlette.responses import JSONResponse, Response

from leadops.errors import LeadopsError

RETRY_AFTER_S = 5

log = logging.getLogger("leadops.web")

DATABASE_GONE: tuple[type[Exception], ...] = (
    sql_errors.OperationalError,
    sql_errors.InterfaceError,
    sql_errors.TimeoutError,
    OSError,
)
# Codes of `leadops.store.engine.StoreError`: it does not answer; it has no tables yet.
NOT_THERE_YET = frozenset({"db_unreachable", "db_42P01"})


class ItemAnswer(Protocol):
    """What became of one event of the request."""

    @property
    def index(self) -> int: ...
    @property
    def event_id(self) -> str | None: ...
    @property
    def source_event_id(self) -> str | None: ...
    @property
    def duplicate(self) -> bool: ...
    @property
    def reason(self) -> str | None: ...


class IngestAnswer(Protocol):
    """What became of all of them; `leadops.stages.ingest.IngestReport` is one."""

    @property
    def items(self) -> Sequence[ItemAnswer]: ...


def describe(error: BaseException) -> str:
    """An error for the log: type, our code, and where. Never its text, which may quote a person's data."""
    code = f" [{error.code}]" if isinstance(error, LeadopsError) else ""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{code}{where}"


def database_gone(error: BaseException) -> bool:
    """True when `error`, or what it was raised from, says that the database cannot be reached now."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DATABASE_GONE) or getattr(seen, "code", None) in NOT_THERE_YET:
            return True
        if isinstance(seen, sql_errors.DBAPIError) and seen.connection_invalidated:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def not_stored(error: Exception, request_id: str) -> Response:
    """503 while the database is away, else 500; both ask for the same request again."""
    retry = {"Retry-After": str(RETRY_AFTER_S)}
    if database_gone(error):
        log.warning("request %s: database unreachable: %s", request_id, describe(error))
        return error_answer(
            503,
            "the database is unreachable; send the same request again, what is stored already stays single",
            retry,
        )
    log.error("request %s: %s", request_id, describe(error))
    message = f"not everything was stored; send the same request again (if it stays: {request_id} in the log)"
    return error_answer(500, message, retry)


def error_answer(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """A refusal that says what to do; it quotes nothing of the request."""
    return JSONResponse({"error": message}, status_code=status, headers=headers)
