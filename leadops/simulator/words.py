"""No word that is not ours or theirs (P4, R29), judged from the mail alone, without draft or judge.

The message must be its template word for word; what stands in a hole must be the hole's neutral phrase, an
entry of its closed list, or stand letter by letter in what the person themselves gave in a form, or in what
enrichment has found, with its provenance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from leadops.playbook.model import MAILBOX_NAME, SLOT, Playbook, SlotSpec, Template
from leadops.sandbox.sendgrid import Mail
from leadops.sandbox.world.asking import FORMS
from leadops.sandbox.world.people import Person
from leadops.store.engine import TEXTS, rows, sql, transaction

if TYPE_CHECKING:
    from leadops.simulator.simulation import Simulation


def words_are_ours_or_theirs(run: Simulation) -> Iterator[tuple[str, str]]:
    """Of every mail since the last look."""
    accepted = run.scene.sendgrid.mailroom.accepted
    playbook, new = run.loaded.playbook, accepted[run.records.mails_read :]
    if not new:
        return
    with transaction(run.observer) as connection:
        found = {r["touch_id"]: r["known"] for r in rows(connection, _ENRICHED, ids=[m.key for m in new])}
    for mail in new:
        person = run.person_at(mail.to_address)
        known = "" if person is None else f"{_given(person)} | {_plain(found.get(mail.key) or '').casefold()}"
        fits = [t for t in run.loaded.templates.values() if _shape(t).match(_plain(mail.text))]
        if not fits:
            yield mail.key, "is no template of the playbook, word for word"
        elif person is not None and not any(not _foreign(mail, t, known, playbook) for t in fits):
            yield mail.key, f"holds words of nobody's: {_foreign(mail, fits[0], known, playbook)}"
    run.records.mails_read = len(accepted)


_ENRICHED = sql(
    """select t.touch_id, string_agg(f.value ->> 'value', ' | ') as known
    from touches t join enrichments e using (lead_id), jsonb_each(e.fields) as f
    where t.touch_id = any(:ids) group by t.touch_id""",
    ids=TEXTS,
)


def _plain(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=256)
def _pattern(body: str) -> re.Pattern[str]:
    """The template, holes named, then the foot that every message has."""
    parts, last = [], 0
    plain = _plain(body)
    seen: set[str] = set()
    for hole in SLOT.finditer(plain):
        parts.append(re.escape(plain[last : hole.start()]))
        name = hole.group(1)
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>.+?)")
        seen.add(name)
        last = hole.end()
    parts.append(re.escape(plain[last:]))
    return re.compile("".join(parts) + r" (?P<foot_>.*)$")


def _shape(template: Template) -> re.Pattern[str]:
    return _pattern(template.body)


def _foreign(mail: Mail, template: Template, known: str, playbook: Playbook) -> list[str]:
    """Names of the holes whose words are nobody's."""
    found = _shape(template).match(_plain(mail.text))
    assert found is not None
    wrong = [
        name
        for name, value in found.groupdict().items()
        if name != "foot_" and not _is_known(value, template.slots[name], known, playbook)
    ]
    return wrong if _is_our_foot(found["foot_"], playbook) else [*wrong, "signature"]


def _is_known(value: str, spec: SlotSpec, known: str, playbook: Playbook) -> bool:
    if value == _plain(spec.neutral):
        return True
    if spec.choose is not None:
        return value in {_plain(v) for v in getattr(playbook, spec.choose).values()}
    return value.casefold() in known


def _given(person: Person) -> str:
    """Everything the person can have typed, or asked for by choosing a form."""
    said = (person.first, person.last, person.company, person.title, person.message, *FORMS.values())
    return " | ".join(_plain(part) for part in said).casefold()


def _is_our_foot(foot: str, playbook: Playbook) -> bool:
    sender = playbook.sender
    for box in sender.mailboxes:
        own = _plain(sender.signature.replace(MAILBOX_NAME, box.name))
        if foot.startswith(own):
            rest = foot.removeprefix(own)
            return _plain(sender.postal_address) in rest and _plain(sender.opt_out) in rest
    return False
