"""The playbook names who is asked; what a provider needs is said where it is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from leadops.errors import UsageError
from leadops.playbook.enrichment import Enrichment, EnrichmentSource
from leadops.playbook.loader import load
from leadops.providers.crm.files import FilesCrm
from leadops.providers.enrichment.port import RemoteEnrichment
from leadops.runtime.wiring import crm_of, enrichment_of
from leadops.settings import Settings
from leadops_tests.house import PLAYBOOK

KEYS: dict[str, Any] = {
    "apollo_key": SecretStr("a"),
    "clearbit_key": SecretStr("c"),
    "enrichment_url": "http://127.0.0.1:9/",
    "hubspot_token": SecretStr("pat-1"),
}
NAMES = ("hubspot", "apollo", "apollo_company", "self_hosted", "clearbit", "offline")


def asked(settings: Settings, *names: str) -> tuple[Any, ...]:
    places = tuple(EnrichmentSource(provider=n) for n in names)  # type: ignore[arg-type]
    playbook = load(PLAYBOOK).playbook
    section = playbook.enrichment.model_copy(update={"waterfall": places})
    crm = FilesCrm(settings.crm_path) if settings.crm == "files" else crm_of(settings, playbook)
    return enrichment_of(settings, playbook.model_copy(update={"enrichment": section}), crm)


def test_without_an_account_nobody_is_asked(tmp_path: Path) -> None:
    assert [p.name for p in enrichment_of(Settings(home=tmp_path), load(PLAYBOOK).playbook, None)] == [  # type: ignore[arg-type]
        "offline"
    ]


def test_providers_come_in_the_playbooks_order(tmp_path: Path) -> None:
    providers = asked(Settings(home=tmp_path, **KEYS), *NAMES)
    assert tuple(p.name for p in providers) == NAMES
    assert [isinstance(p, RemoteEnrichment) for p in providers] == [True] * 5 + [False]


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("apollo", "LEADOPS_APOLLO_KEY"),
        ("apollo_company", "LEADOPS_APOLLO_KEY"),
        ("clearbit", "LEADOPS_CLEARBIT_KEY"),
        ("self_hosted", "LEADOPS_ENRICHMENT_URL"),
        ("hubspot", "LEADOPS_HUBSPOT_TOKEN"),
    ],
)
def test_a_missing_key_is_told_by_its_variable(tmp_path: Path, name: str, variable: str) -> None:
    with pytest.raises(UsageError, match=variable) as raised:
        asked(Settings(home=tmp_path), name)
    assert name in str(raised.value)


def test_where_hubspot_is_the_crm_its_limits_are_shared(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, crm="hubspot", **KEYS)
    playbook = load(PLAYBOOK).playbook
    crm = crm_of(settings, playbook)
    section = playbook.enrichment.model_copy(update={"waterfall": (EnrichmentSource(provider="hubspot"),)})
    (provider,) = enrichment_of(settings, playbook.model_copy(update={"enrichment": section}), crm)
    assert provider._client is crm.client  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"waterfall": [{"provider": "offline"}, {"provider": "offline"}]}, "once"),
        ({"waterfall": [{"provider": "apollo", "monthly_budget_usd": 9}]}, "needs usd_per_lookup"),
        ({"waterfall": [{"provider": "zoominfo"}]}, "apollo"),
        ({"waterfall": []}, "at least 1"),
        ({"wanted": ["phone"]}, "company_size"),
        ({"deadline_seconds": 0}, "greater than 0"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(section: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Enrichment.model_validate(section)
