"""What all batches share: their inputs, and the shape of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leadops.sandbox.hubspot.desk import Desk
from leadops.sandbox.hubspot.refusals import invalid
from leadops.sandbox.hubspot.schema import OBJECT_TYPES, SINGULAR, TYPE_IDS
from leadops.sandbox.hubspot.shapes import fields
from leadops.sandbox.hubspot.values import stamp

_TYPES = {
    **TYPE_IDS,
    **{kind: kind for kind in OBJECT_TYPES},
    **{one: many for many, one in SINGULAR.items()},
}


def object_type_of(name: str) -> str:
    """The object type of an address: its name, in singular too, or its id. Raises RefusedError (400)."""
    found = _TYPES.get(name)
    if found is None:
        raise invalid(f"Unable to infer object type from: {name}")
    return found


def inputs_of(desk: Desk, body: Any, others: Sequence[str] = ()) -> list[Any]:
    """The inputs of a batch; ``others``: further fields its body may have. Raises RefusedError (400)."""
    inputs = fields(body, ("inputs", *others), ("inputs",))["inputs"]
    if not isinstance(inputs, list) or not inputs:
        raise invalid("Invalid input JSON: inputs must be a non-empty array")
    if len(inputs) > desk.options.batch_inputs:
        raise invalid(
            f"The maximum number of inputs in a batch is {desk.options.batch_inputs}, got {len(inputs)}"
        )
    return inputs


def no_duplicates(values: Sequence[str], what: str) -> None:
    """Raise RefusedError (400) where one value comes twice."""
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise invalid(f"Duplicate {what} found in batch input: {twice}")


def finished(
    desk: Desk, results: Sequence[dict[str, Any]], errors: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """The answer of a batch that is done."""
    said: dict[str, Any] = {
        "status": "COMPLETE",
        "results": list(results),
        "startedAt": stamp(desk.now),
        "completedAt": stamp(desk.now),
    }
    if errors:
        said |= {"numErrors": len(errors), "errors": list(errors)}
    return said
