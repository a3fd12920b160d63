"""Enrichment that asks nobody: what a lead's own address, title and headcount say.

Never a name of a company or a person: nothing from here may look like a fact in a mail.
"""

from __future__ import annotations

from typing import Any

from leadops.domain.addresses import company_domain, email_domain, is_free_mail, registrable_domain
from leadops.domain.firmographics import company_size, industry_of, title_level
from leadops.providers.enrichment.port import LocalEnrichment
from leadops.terms import EvidenceField, LeadState


class OfflineEnrichment(LocalEnrichment):
    """Fields: domain, business_email (yes, no), title_level, company_size, industry.

    ``provider`` of a field is ``offline:`` and what it was read from.
    """

    name = "offline"

    def enrich(self, state: LeadState) -> dict[str, EvidenceField]:
        domain, basis = _domain(state)
        found: dict[str, tuple[Any, str]] = {
            "domain": (domain, basis),
            "business_email": (_business_email(state), "email"),
            "title_level": (title_level(state.title), "title"),
            "company_size": (company_size(state.company_size), "company_size"),
            "industry": (industry_of(domain, state.company), "domain" if domain else "company"),
        }
        return {
            name: EvidenceField(value, f"{self.name}:{basis}")
            for name, (value, basis) in found.items()
            if value is not None
        }


def _domain(state: LeadState) -> tuple[str | None, str]:
    """The company's domain: of the first business address, else as the lead state has it."""
    for email in state.emails:
        if own := company_domain(email):
            return own, "email"
    own = registrable_domain(state.domain)
    return (None if is_free_mail(own) else own), "domain"


def _business_email(state: LeadState) -> str | None:
    """Of the primary address; None where there is no valid one."""
    domain = email_domain(state.emails[0]) if state.emails else None
    return None if domain is None else "no" if is_free_mail(domain) else "yes"
