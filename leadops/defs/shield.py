"""What may get from a failure into Dagster: codes, ids, types and line numbers, never a message of others.

Dagster keeps the errors of steps and ticks for ever, where erasure does not reach, and an exception that
is not ours may quote anything: an address, a name, the words of a mail.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

import dagster as dg

from leadops.errors import LeadopsError

P = ParamSpec("P")
R = TypeVar("R")


class UnexpectedError(LeadopsError):
    """Something failed in a way nobody foresaw: its type and where; what it said is withheld."""


@contextmanager
def without_words() -> Iterator[None]:
    """Let our own errors and Dagster's pass and replace every other by its type, keeping where it was raised.

    Raises:
        LeadopsError, DagsterError, Failure: as raised inside, without what they were raised from.
        UnexpectedError: for any other exception; code ``unexpected_<type>``.
    """
    try:
        yield
    except (LeadopsError, dg.DagsterError, dg.Failure) as error:
        raise error from None
    except Exception as error:  # noqa: BLE001 - whatever it is, its words must not pass
        kind = type(error).__name__
        said = f"{kind} where none was expected; its message is withheld, the trace says where it was raised."
        raise UnexpectedError(f"unexpected_{kind}", said).with_traceback(error.__traceback__) from None


def codes_only(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate whatever Dagster calls, below Dagster's own decorator; generators too."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generating(*args: P.args, **kwargs: P.kwargs) -> Iterator[Any]:
            with without_words():
                yield from cast("Iterator[Any]", function(*args, **kwargs))

        return cast("Callable[P, R]", generating)

    @functools.wraps(function)
    def calling(*args: P.args, **kwargs: P.kwargs) -> R:
        with without_words():
            return function(*args, **kwargs)

    return calling
