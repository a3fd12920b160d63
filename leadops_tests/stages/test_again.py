"""A batch is taken as a whole, and item by item only where one of them fails."""

from __future__ import annotations

import pytest

from leadops.stages.again import all_then_each
from leadops.store.engine import StoreError


@pytest.mark.parametrize(
    "error", [ValueError("item"), StoreError("db_22P02", "a value the database refuses")]
)
def test_what_fails_as_a_whole_is_done_item_by_item(error: Exception) -> None:
    tried: list[bool] = []

    def work(each: bool) -> str:
        tried.append(each)
        if not each:
            raise error
        return "done"

    assert all_then_each(work) == "done"
    assert tried == [False, True]


@pytest.mark.parametrize("code", ["db_unreachable", "db_40P01", "db_53300", "db_57014"])
def test_trouble_of_the_database_is_no_items_fault(code: str) -> None:
    tried: list[bool] = []

    def work(each: bool) -> None:
        tried.append(each)
        raise StoreError(code, "trouble")

    with pytest.raises(StoreError, match="trouble"):
        all_then_each(work)
    assert tried == [False]
