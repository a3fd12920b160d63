"""Work of a whole transaction, done again where Postgres had to end a deadlock by picking a victim, or with
more care where one item of a batch made it fail.

Nothing of a rolled back transaction stays, so that a second attempt is as good as a first one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from leadops.store.engine import StoreError

T = TypeVar("T")
ATTEMPTS = 5
_DEADLOCK = "db_40P01"
PASSING = ("db_40", "db_53", "db_55", "db_57")
"""Deadlock, out of resources, lock not to be had, cancelled: the same statement may succeed later."""


def again_after_deadlock(work: Callable[[], T]) -> T:
    """What ``work`` returns; it must be one transaction and keep nothing outside of it.

    Raises:
        StoreError: any other error at once, a deadlock after ``ATTEMPTS`` attempts.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except StoreError as error:
            if error.code != _DEADLOCK:
                raise
    return work()


def all_then_each(work: Callable[[bool], T]) -> T:
    """What ``work(False)`` returns, which takes a batch as a whole. Where anything but the database's own
    trouble makes it fail: what ``work(True)`` does, which takes each item alone and parks those that fail.

    A savepoint for every item, for the sake of the one in a thousand that needs it, cost more than the item.
    """
    try:
        return work(False)
    except Exception as error:
        if isinstance(error, StoreError) and error.code.startswith(("db_unreachable", *PASSING)):
            raise
    return work(True)
