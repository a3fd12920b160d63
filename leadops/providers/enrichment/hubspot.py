"""What HubSpot knows of a contact's company: its properties, by whoever filled them in.

Read in batches with the CRM adapter's client and within its limits. Costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leadops.domain.enriching import evidence
from leadops.providers.crm.hubspot_client import ASSOCIATIONS, CallError, Client, results_of
from leadops.providers.crm.hubspot_events import SOURCE
from leadops.providers.crm.hubspot_read import read_records
from leadops.providers.enrichment.port import Answer, Found, Key, RemoteEnrichment, person_key
from leadops.terms import LeadState

_PROPERTIES = {
    "name": "company_name",
    "numberofemployees": "company_size",
    "country": "country",
    "domain": "domain",
    "industry": "industry",
}
_PATH = f"{ASSOCIATIONS}/contacts/companies/batch/read"
_RATE_LIMIT_REST_S = 10.0


class HubSpotCompanies(RemoteEnrichment):
    """Looks up a contact by its record id where the lead has one, else by business address."""

    name = "hubspot"
    tells = frozenset(_PROPERTIES.values())
    bulk = 100

    def __init__(self, client: Client) -> None:
        self._client = client

    def key(self, state: LeadState) -> Key | None:
        record = next((crm_id for source, crm_id in state.crm_ids if source == SOURCE), None)
        return Key(record, is_personal=True) if record else person_key(state)

    def lookup(self, keys: Sequence[Key], timeout_s: float) -> list[Answer]:  # noqa: ARG002 - the client's own
        try:
            ids = self._contacts([key.text for key in keys])
            company_of = self._companies(sorted(set(ids.values())))
            known = read_records(
                self._client, "companies", sorted(set(company_of.values())), sorted(_PROPERTIES)
            )
        except CallError as error:
            rest = _RATE_LIMIT_REST_S if error.blame == "limit" else None
            refused = error.blame == "refused"
            return [Answer(Found.FAILED, code=error.code, retry_after_s=rest, is_refusal=refused)] * len(keys)
        return [self._answer(known.get(company_of.get(ids.get(key.text, ""), ""))) for key in keys]

    def _contacts(self, texts: Sequence[str]) -> dict[str, str]:
        """Key -> contact id. Raises CallError."""
        ids = {text: text for text in texts if "@" not in text}
        emails = [text for text in texts if "@" in text]
        found = read_records(self._client, "contacts", emails, ["email"], "email") if emails else {}
        return ids | {email: found[email]["id"] for email in emails if email in found}

    def _companies(self, contacts: Sequence[str]) -> dict[str, str]:
        """Contact id -> the id of its company: the primary one where HubSpot says so. Raises CallError."""
        if not contacts:
            return {}
        body = {"inputs": [{"id": i} for i in contacts]}
        found: dict[str, str] = {}
        for tied in results_of(self._client.post(_PATH, body), _PATH):
            own, ends = tied.get("from"), tied.get("to")
            listed = [end for end in ends if isinstance(end, Mapping)] if isinstance(ends, list) else []
            best = max(listed, key=_is_primary, default=None)
            if isinstance(own, Mapping) and best is not None and best.get("toObjectId"):
                found[str(own.get("id"))] = str(best["toObjectId"])
        return found

    def _answer(self, company: Mapping[str, str] | None) -> Answer:
        known = company or {}
        fields = evidence(self.name, {ours: known.get(name) for name, ours in _PROPERTIES.items()})
        return Answer(Found.FOUND, fields) if fields else Answer(Found.NONE)


def _is_primary(end: Mapping[str, Any]) -> bool:
    types = end.get("associationTypes")
    listed = types if isinstance(types, list) else []
    return any(isinstance(t, Mapping) and str(t.get("label")).lower() == "primary" for t in listed)
