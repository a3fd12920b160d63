"""Which contact of HubSpot's a write-back is about: by id, else by address, else made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from leadops.domain.addresses import clean_email
from leadops.providers.crm.hubspot_batch import Batches, Failure, Input
from leadops.providers.crm.hubspot_client import OBJECTS, CallError, Client
from leadops.providers.crm.hubspot_events import LEAD_ID, SOURCE
from leadops.providers.crm.hubspot_read import read_records
from leadops.providers.crm.port import Writeback
from leadops.terms import Outcome

READ = ("email", "hubspot_owner_id", LEAD_ID, "leadops_scored_at", "leadops_sequence_at")
_GONE = Failure(Outcome.REJECTED, "crm_contact_gone")
_NOBODY = Failure(Outcome.REJECTED, "crm_no_contact")


@dataclass(frozen=True, slots=True)
class Target:
    """A contact as it stands in HubSpot."""

    id: str
    properties: Mapping[str, str]


Targets = dict[str, "Target | Failure"]
"""By dedupe_key."""


def find_contacts(client: Client, batches: Batches, items: Sequence[Writeback]) -> Targets:
    """The contact of every item, or why there is none. Raises nothing.

    A contact that is gone is looked for by address (it may have been merged into another one) and is not
    made again: somebody deleted it.
    """
    found: Targets = {}
    if batches.broken is not None:
        return dict.fromkeys((i.dedupe_key for i in items), batches.broken)
    try:
        ids = {i.dedupe_key: _ids(i) for i in items}
        by_id = read_records(client, "contacts", sorted({n for own in ids.values() for n in own}), READ)
        rest = []
        for item in items:
            known = next((by_id[n] for n in ids[item.dedupe_key] if n in by_id), None)
            if known is not None:
                found[item.dedupe_key] = _target(known)
            else:
                rest.append(item)
        found |= _by_address(client, batches, rest)
    except CallError as error:
        left = [i for i in items if i.dedupe_key not in found]
        failed = batches.stop(error, len(left))
        if failed is None:
            middle = len(left) // 2
            found |= find_contacts(client, batches, left[:middle])
            found |= find_contacts(client, batches, left[middle:])
        else:
            found |= dict.fromkeys((i.dedupe_key for i in left), failed)
    return found


def _ids(item: Writeback) -> list[str]:
    return [crm_id for source, crm_id in item.crm_ids if source == SOURCE and crm_id.isdigit()]


def _target(known: Mapping[str, str]) -> Target:
    return Target(known["id"], known)


def _by_address(client: Client, batches: Batches, items: Sequence[Writeback]) -> Targets:
    addresses = {i.dedupe_key: (clean_email(i.contact.get("email")) or "").lower() for i in items}
    wanted = sorted({a for a in addresses.values() if a})
    known = read_records(client, "contacts", wanted, READ, "email") if wanted else {}
    found: Targets = {}
    missing: dict[str, Writeback] = {}
    for item in items:
        address = addresses[item.dedupe_key]
        if address in known:
            found[item.dedupe_key] = _target(known[address])
        elif _ids(item) or not address:
            found[item.dedupe_key] = _GONE if _ids(item) else _NOBODY
        else:
            missing[address] = item
    made = _make(batches, missing)
    for item in items:
        if item.dedupe_key not in found:
            found[item.dedupe_key] = made[addresses[item.dedupe_key]]
    return found


def _make(batches: Batches, missing: Mapping[str, Writeback]) -> Targets:
    """Contacts by address. An upsert: made in the meantime by somebody else, it is found and not doubled."""
    traces = dict(zip(missing, _numbers(missing), strict=True))
    inputs = [
        Input(
            traces[address],
            {"id": address, "idProperty": "email", "properties": _fields(address, item)},
        )
        for address, item in missing.items()
    ]
    results = batches.write(f"{OBJECTS}/contacts/batch/upsert", inputs, lambda _: "") if inputs else {}
    made: Targets = {}
    for address, trace in traces.items():
        got = results[trace]
        if isinstance(got, Failure):
            made[address] = got
        else:
            made[address] = Target(str(got.get("id")), {LEAD_ID: missing[address].lead_id})
    return made


def _fields(address: str, item: Writeback) -> dict[str, str]:
    first, _, last = (item.contact.get("name") or "").strip().partition(" ")
    given = {
        "email": address,
        "firstname": first,
        "lastname": last.strip(),
        "company": item.contact.get("company") or "",
        LEAD_ID: item.lead_id,
    }
    return {name: value for name, value in given.items() if value}


def _numbers(items: Iterable[object]) -> list[str]:
    return [f"c{n}" for n, _ in enumerate(items)]
