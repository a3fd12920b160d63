"""Batch writes to HubSpot: one outcome per input, whatever becomes of the batch.

HubSpot answers 207 with results and errors, or refuses a batch whole because of one input; then it is cut in
halves until the one is found alone. All inputs here may be written twice without harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leadops.providers.crm.hubspot_client import CallError, Client, errors_of, refusal, results_of
from leadops.providers.crm.hubspot_read import BATCH, batches
from leadops.terms import Outcome

MOST_FAILURES = 24
"""Answers of 500 that one call of ours puts up with while it looks for the input that causes them."""
MOST_CUTS = 400
"""Times that one call of ours cuts a refused batch in halves; what is still together then is tried later."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something was not written. ``detail``: a code."""

    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a batch. ``trace`` names it in answers; unique within a call of ours."""

    trace: str
    body: Mapping[str, Any]


Results = dict[str, Mapping[str, Any] | Failure]
NameOf = Callable[[Mapping[str, Any]], str]
"""The trace of a result of HubSpot's, where it does not name one itself ("": it cannot be told)."""


class Batches:
    """The batches of one call of ``write``. After a failure that would meet every call, none is made."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._broken: CallError | None = None
        self._failures = 0
        self._cuts = 0

    def stop(self, error: CallError, together: int = 1) -> Failure | None:
        """Note what went wrong with a call about so many; what it means for each of them.

        None: it may be because of one of them, so ask in halves.
        """
        if error.is_for_all:
            self._broken = error
        self._failures += error.status == 500
        refused = error.blame == "refused" and error.status != 403
        if together == 1 or not (refused or (error.status == 500 and self._failures < MOST_FAILURES)):
            return failure_of(error)
        self._cuts += 1
        return None if self._cuts <= MOST_CUTS else Failure(Outcome.RETRY, error.code)

    @property
    def broken(self) -> Failure | None:
        """Set once every further call would only meet the same."""
        return failure_of(self._broken) if self._broken is not None else None

    def write(self, path: str, inputs: Sequence[Input], name_of: NameOf, *, traced: bool = True) -> Results:
        """trace -> what was written, or why not. Raises nothing.

        ``traced``: the inputs take an objectWriteTraceId (associations do not).
        """
        found: Results = {}
        for batch in batches(inputs, BATCH):
            found |= self._one(path, batch, name_of, traced=traced)
        return found

    def _one(self, path: str, batch: Sequence[Input], name_of: NameOf, *, traced: bool) -> Results:
        if self._broken is not None:
            return _all(batch, failure_of(self._broken))
        body = {
            "inputs": [{**i.body, "objectWriteTraceId": i.trace} if traced else dict(i.body) for i in batch]
        }
        try:
            answer = self._client.post(path, body)
            found = _sorted_out(answer, results_of(answer, path), batch, path, name_of)
        except CallError as error:
            return self._after(error, path, batch, name_of, traced=traced)
        silent = [i for i in batch if i.trace not in found]
        if not silent:
            return found
        if len(batch) > 1:
            return found | self._halves(path, silent, name_of, traced=traced)
        told = errors_of(answer)
        failed = failure_of(refusal(told[0], 0, path)) if told else Failure(Outcome.RETRY, "crm_unanswered")
        return found | _all(silent, failed)

    def _after(
        self, error: CallError, path: str, batch: Sequence[Input], name_of: NameOf, *, traced: bool
    ) -> Results:
        """A whole batch failed: because of one of its inputs, perhaps."""
        failed = self.stop(error, len(batch))
        if failed is None:
            return self._halves(path, batch, name_of, traced=traced)
        return _all(batch, failed)

    def _halves(self, path: str, batch: Sequence[Input], name_of: NameOf, *, traced: bool) -> Results:
        middle = max(1, len(batch) // 2)
        found = self._one(path, batch[:middle], name_of, traced=traced)
        if batch[middle:]:
            found |= self._one(path, batch[middle:], name_of, traced=traced)
        return found


def failure_of(error: CallError) -> Failure:
    """Refused is for good; all else is the key's, the account's or the moment's fault, and not the item's."""
    outcome = Outcome.REJECTED if error.blame == "refused" else Outcome.RETRY
    return Failure(outcome, error.code)


def _all(batch: Sequence[Input], failed: Failure) -> Results:
    return {i.trace: failed for i in batch}


def _sorted_out(
    answer: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    batch: Sequence[Input],
    path: str,
    name_of: NameOf,
) -> Results:
    """What the answer says of each input; of some perhaps nothing."""
    asked = {i.trace for i in batch}
    found: Results = {}
    for each in errors_of(answer):
        failed = failure_of(refusal(each, 0, path))
        found.update({trace: failed for trace in _blamed(each, batch) if trace in asked})
    for result in results:
        trace = str(result.get("objectWriteTraceId") or "") or name_of(result)
        if trace in asked:
            found.setdefault(trace, result)
    return found


def _blamed(error: Mapping[str, Any], batch: Sequence[Input]) -> Iterator[str]:
    """Traces an error names: by objectWriteTraceId, or by the ids of the records it speaks of."""
    context = error.get("context")
    named: dict[str, list[str]] = {}
    for name, value in context.items() if isinstance(context, Mapping) else ():
        named[str(name)] = [str(v) for v in (value if isinstance(value, list) else [value])]
    yield from named.get("objectWriteTraceId", [])
    ids = {*named.get("ids", []), *named.get("id", [])}
    ends = set(named.get("fromObjectId", []))
    for each in batch:
        own, start = each.body.get("id"), each.body.get("from")
        if own in ids or (isinstance(start, Mapping) and start.get("id") in ends):
            yield each.trace
