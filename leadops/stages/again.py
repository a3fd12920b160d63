"""Work of a whole transaction, done again where Postgres had to end a deadlock by picking a victim.

Nothing of a rolled back transaction stays, so that a second attempt is as good as a first one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from leadops.store.engine import StoreError

T = TypeVar("T")
ATTEMPTS = 5
_DEADLOCK = "db_40P01"


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
