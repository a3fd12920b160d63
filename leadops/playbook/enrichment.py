"""The playbook's words on enrichment: who is asked what about a lead, in which order, for how much."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from leadops.playbook.strict import Strict

ProviderName = Literal["offline", "hubspot", "apollo", "apollo_company", "self_hosted", "clearbit"]
FieldName = Literal["company_name", "company_size", "country", "domain", "industry", "title", "title_level"]


class EnrichmentSource(Strict):
    """One provider's place in the waterfall."""

    provider: ProviderName
    usd_per_lookup: float = Field(
        0, ge=0, description="What one person or company that is found costs: your price of a credit."
    )
    monthly_budget_usd: float | None = Field(
        None, ge=0, description="Most it may cost in a calendar month (UTC); none: no limit."
    )
    cache_days: float | None = Field(
        None, ge=0, description="How old its answers may get; none: as the section says."
    )

    @model_validator(mode="after")
    def _countable(self) -> Self:
        if self.monthly_budget_usd is not None and not self.usd_per_lookup:
            raise ValueError("monthly_budget_usd needs usd_per_lookup, or nothing is ever counted against it")
        return self


class Enrichment(Strict):
    """What is asked of others about a lead. A first touch waits ``deadline_seconds`` for it at most."""

    waterfall: tuple[EnrichmentSource, ...] = Field(
        (EnrichmentSource(provider="offline"),),
        min_length=1,
        description="Who is asked, in this order; of a field that several know, the first one's word counts.",
    )
    wanted: tuple[FieldName, ...] = Field(
        ("company_size", "title", "industry"),
        description="Nobody further down is asked about a lead of whom these are known.",
    )
    deadline_seconds: float = Field(
        1.0, gt=0, le=30, description="Patience with all answers of a batch; what comes later scores again."
    )
    timeout_seconds: float = Field(
        10, gt=0, le=60, description="Patience with one answer that no lead waits for any more."
    )
    cache_days: float = Field(30, ge=0, description="How old an answer may get before it is asked for again.")
    retry_minutes: float = Field(
        5, gt=0, description="When what was late or failed is asked for again; doubles each time."
    )
    retries: int = Field(4, ge=0, description="How often.")
    calls_at_once: int = Field(4, gt=0, description="Requests under way at once, per provider and process.")

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        names = [source.provider for source in self.waterfall]
        if len(set(names)) != len(names):
            raise ValueError("each provider stands in the waterfall once")
        return self

    @property
    def asks_others(self) -> bool:
        """Whether anybody outside is asked at all."""
        return any(source.provider != "offline" for source in self.waterfall)

    def age_days(self, source: EnrichmentSource) -> float:
        """How old an answer of this provider may get."""
        return self.cache_days if source.cache_days is None else source.cache_days
