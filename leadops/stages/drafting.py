"""The words of touches that are about to go: written once per touch, kept for every retry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from leadops.domain.slots import draft, evidence_of
from leadops.errors import BadInput, LeadopsError
from leadops.playbook.model import Template
from leadops.providers.llm.port import SlotRequest, SlotWriter, WrittenSlots
from leadops.stages.again import PASSING
from leadops.stages.facts import LoadedTouch
from leadops.stages.report import Report
from leadops.store import drafts
from leadops.store import evidence as enriched
from leadops.store.engine import StoreError, transaction
from leadops.terms import Channel, Draft


@dataclass(frozen=True, slots=True)
class ToWrite:
    """A touch without words: what is asked of the writer, and the thread it belongs to."""

    request: SlotRequest
    loaded: LoadedTouch
    thread: Sequence[tuple[str, str]]


@dataclass(slots=True)
class Words:
    """By touch_id: words that stand, what is still to be written, codes of those that cannot have any."""

    written: dict[str, Draft] = field(default_factory=dict)
    to_write: dict[str, ToWrite] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def words_for(
    engine: Engine, templates: Mapping[str, Template], ready: Mapping[str, LoadedTouch], report: Report
) -> Words:
    """What there is to write. A touch that has words keeps them."""
    found = Words()
    if not ready:
        return found
    with transaction(engine) as connection:
        found.written = drafts.of_touches(connection, ready)
        evidence = enriched.evidence_of(connection, sorted({t.touch["lead_id"] for t in ready.values()}))
        mailed = {t.touch["enrolment_id"] for t in ready.values() if t.message_ids}
        threads = drafts.threads(connection, mailed) if mailed else {}
    report.count("kept", len(found.written))
    for touch_id, loaded in ready.items():
        if touch_id in found.written:
            continue
        try:
            request = _request(templates, loaded, evidence[loaded.touch["lead_id"]])
        except Exception as error:  # noqa: BLE001 - one touch must not hold up the others
            found.failed[touch_id] = code_of(error, "draft")
            continue
        thread = threads.get(loaded.touch["enrolment_id"], [])
        found.to_write[touch_id] = ToWrite(request, loaded, thread)
    return found


def write(
    writer: SlotWriter, requests: Sequence[SlotRequest], told: Callable[[str, WrittenSlots | str], None]
) -> None:
    """Ask for all at once; where the writer itself fails, one by one. ``told(touch_id, slots or a code)``."""
    open_ = {r.key: r for r in requests}

    def tell(index: int, slots: WrittenSlots) -> None:
        if open_.pop(requests[index].key, None) is not None:
            told(requests[index].key, slots)

    with suppress(Exception):  # found out below whose fault it is
        writer.write_each(requests, tell)
    for key, request in list(open_.items()):
        try:
            told(key, writer.write([request])[0])
        except Exception as error:  # noqa: BLE001 - one touch must not hold up the others
            told(key, code_of(error, "draft"))


def save(
    engine: Engine,
    asked: Mapping[str, ToWrite],
    filled: Mapping[str, WrittenSlots | str],
    *,
    now: datetime,
    report: Report,
) -> tuple[dict[str, Draft], dict[str, str]]:
    """(touch_id -> words, in the order given; touch_id -> code where there are none).

    Another worker may have written some meanwhile: the first words stand. One that fails never stops the
    others.
    """
    new: dict[str, Draft] = {}
    failed: dict[str, str] = {}
    for touch_id, slots in filled.items():
        to_write = asked[touch_id]
        try:
            if isinstance(slots, str):
                failed[touch_id] = slots
                continue
            new[touch_id] = _draft_one(to_write.request.template, slots, to_write.loaded, to_write.thread)
        except Exception as error:  # noqa: BLE001 - one touch must not hold up the others
            failed[touch_id] = code_of(error, "draft")
    saved, refused = _save(engine, new, now)
    failed |= refused
    written = {i: new[i] for i in saved} | _of_others(engine, new.keys() - saved - refused.keys())
    _count(report, {i: words for i, words in new.items() if i in written}, asked)
    return {i: written[i] for i in filled if i in written}, failed


def code_of(error: Exception, doing: str) -> str:
    """A code for the person who must act; never the message, which may hold a person's data."""
    return error.code if isinstance(error, LeadopsError) else f"{doing}_{type(error).__name__}"


def _request(
    templates: Mapping[str, Template], loaded: LoadedTouch, evidence: Mapping[str, Any]
) -> SlotRequest:
    touch_id = loaded.touch["touch_id"]
    template = templates.get(loaded.touch["template"])
    if template is None:
        raise BadInput("template_gone", f"touch {touch_id}: its template is gone.")
    return SlotRequest(touch_id, template, evidence_of(loaded.state, evidence))


def _draft_one(
    template: Template, filled: WrittenSlots, loaded: LoadedTouch, thread: Sequence[tuple[str, str]]
) -> Draft:
    subject = thread[0][1] if thread else None
    if subject is not None:
        # A raised enrolment begins another sequence but stays in its thread (R10).
        template = template.model_copy(update={"subject": ""})
    elif not template.subject.strip() and loaded.touch["channel"] == Channel.REP_TASK:
        # A task needs a title, not a thread.
        template = template.model_copy(update={"subject": "Next step"})
    return draft(
        template,
        filled.slots,
        subject,
        writer=filled.writer,
        tokens=filled.tokens,
        cost=filled.cost_usd,
    )


def _save(engine: Engine, new: Mapping[str, Draft], now: datetime) -> tuple[set[str], dict[str, str]]:
    """All at once; where the database refuses one, one by one: (saved, touch_id -> code of the refused)."""
    if not new:
        return set(), {}
    try:
        with transaction(engine) as connection:
            return drafts.save(connection, new, now=now), {}
    except StoreError as error:
        if error.code == "db_unreachable" or error.code.startswith(PASSING):
            raise
    saved: set[str] = set()
    refused = {}
    for touch_id, words in new.items():
        try:
            with transaction(engine) as connection:
                saved |= drafts.save(connection, {touch_id: words}, now=now)
        except StoreError as error:
            refused[touch_id] = error.code
    return saved, refused


def _of_others(engine: Engine, touch_ids: Set[str]) -> dict[str, Draft]:
    """What another worker has written meanwhile: the first words stand."""
    if not touch_ids:
        return {}
    with transaction(engine) as connection:
        return drafts.of_touches(connection, touch_ids)


def _count(report: Report, new: Mapping[str, Draft], asked: Mapping[str, ToWrite]) -> None:
    report.count("drafted", len(new))
    for touch_id, words in new.items():
        report.count("neutral_slots", sum(s.evidence == "neutral" for s in words.slots))
        report.count("evidence_slots", sum(s.evidence != "neutral" for s in words.slots))
        report.count(f"writer:{words.writer}")
        report.add("tokens", words.tokens)
        report.add("cost_usd", words.cost_usd)
        report.lead_ids.add(asked[touch_id].loaded.touch["lead_id"])
