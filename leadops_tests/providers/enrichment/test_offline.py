"""Offline enrichment says what the lead's own data says, with where from, and invents nothing."""

from __future__ import annotations

from typing import Any

from leadops.providers.enrichment.offline import OfflineEnrichment
from leadops.terms import EvidenceField, LeadState
from leadops_tests.providers.enrichment.leads import state


def values(lead: LeadState) -> dict[str, Any]:
    return {name: field.value for name, field in OfflineEnrichment().enrich(lead).items()}


def test_a_business_lead_is_described_with_provenance() -> None:
    lead = state(emails=("anna@mail.acme-logistics.co.uk",), title="Head of IT", company_size=51)
    assert OfflineEnrichment().enrich(lead) == {
        "domain": EvidenceField("acme-logistics.co.uk", "offline:email"),
        "business_email": EvidenceField("yes", "offline:email"),
        "title_level": EvidenceField("director", "offline:title"),
        "company_size": EvidenceField(51, "offline:company_size"),
        "industry": EvidenceField("logistics", "offline:domain"),
    }


def test_free_mail_says_nothing_about_an_employer() -> None:
    assert values(state(emails=("anna@gmail.com",))) == {"business_email": "no"}
    mixed = values(state(emails=("anna@gmail.com", "anna@acme.com")))
    assert mixed == {"business_email": "no", "domain": "acme.com"}


def test_of_nobody_nothing_is_known() -> None:
    assert values(state()) == {}
    assert values(state(emails=("not an address",), title="Wizard", domain="gmail.com")) == {}


def test_no_name_is_ever_made_up() -> None:
    lead = state(emails=("anna.berg@acme.com",))
    assert not {"company", "name", "first_name", "company_name"} & values(lead).keys()
    assert "Acme" not in map(str, values(lead).values())
