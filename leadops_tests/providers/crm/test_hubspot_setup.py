"""What `crm setup` makes in an account, and what it says where it cannot."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from leadops.errors import UsageError
from leadops.sandbox.hubspot import HubSpotSandbox, Property
from leadops.settings import settings
from leadops_tests.cli.installed import read, run
from leadops_tests.providers.crm.inprocess import TOKEN, Account
from leadops_tests.sandbox.serving import served


def test_it_makes_what_is_missing_and_finds_it_again() -> None:
    account = Account()
    first, again = account.crm.setup(), account.crm.setup()
    assert sum(said.startswith("Made the contact property leadops_") for said in first) == 16
    assert all(said.startswith("Found ") for said in again)
    assert len(again) == 19
    for kind in ("tasks", "notes", "emails"):
        assert account.portal.properties[kind]["leadops_action_id"].has_unique_value
    assert account.problems() == []


def test_what_is_missing_is_said_before_a_write_back_meets_it() -> None:
    """An account set up before a property was thought of."""
    account = Account()
    assert [said.split(" have ")[0] for said in account.crm.lacks()] == [
        "HubSpot's contacts",
        "HubSpot's tasks",
        "HubSpot's notes",
        "HubSpot's emails",
    ]
    account.crm.setup()
    assert account.crm.lacks() == []
    for name in ("leadops_fit", "leadops_scored_by"):
        del account.portal.properties["contacts"][name]
    assert account.crm.lacks() == ["HubSpot's contacts have no leadops_fit, leadops_scored_by."]
    account.crm.setup()
    assert account.crm.lacks() == []


def test_an_account_without_unique_properties_on_activities_is_told_so() -> None:
    account = Account(unique_engagement_properties=False)
    said = account.crm.setup()
    assert sum("looked for by search" in each for each in said) == 3
    assert not account.portal.properties["tasks"]["leadops_action_id"].has_unique_value
    assert sum("looked for by search" in each for each in account.crm.setup()) == 3


def test_a_property_of_another_kind_is_named() -> None:
    account = Account()
    account.portal.define(
        "contacts",
        Property("leadops_score", "Score", "string", "text", "contactinformation", is_hubspot_defined=False),
    )
    with pytest.raises(UsageError) as raised:
        account.crm.setup()
    assert raised.value.code == "crm_property_type"
    assert "leadops_score of contacts" in str(raised.value)


def test_a_scope_that_is_missing_is_named() -> None:
    account = Account(scopes={"crm.objects.contacts.read", "crm.schemas.contacts.read"})
    account.crm.check()
    with pytest.raises(UsageError) as raised:
        account.crm.setup()
    assert raised.value.code == "crm_scope"
    assert "crm.schemas.contacts.write" in str(raised.value)


@pytest.fixture
def hubspot(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """The commands' settings name a sandbox behind a real port."""
    sandbox = HubSpotSandbox(lambda: datetime.now(UTC), TOKEN)
    with served(sandbox) as url:
        monkeypatch.setenv("LEADOPS_CRM", "hubspot")
        monkeypatch.setenv("LEADOPS_HUBSPOT_URL", f"{url}/hubspot")
        monkeypatch.setenv("LEADOPS_HUBSPOT_TOKEN", TOKEN)
        settings.cache_clear()
        yield sandbox
    settings.cache_clear()


def test_the_command_sets_up_and_checks(hubspot: HubSpotSandbox) -> None:
    before = run("crm", "check")
    assert before.exit_code == 1
    assert before.stdout.splitlines()[-1] == "Run `leadops crm setup`."
    assert "leadops_fit, leadops_engagement, leadops_disqualified" in before.stdout
    found = read("crm", "setup")
    assert (found["crm"], found["ok"]) == ("hubspot", True)
    assert "leadops_score" in hubspot.portal.properties["contacts"]
    again = run("crm", "setup")
    assert again.exit_code == 0
    assert again.stdout.splitlines()[-1] == "The CRM (hubspot) is ready."
    assert run("crm", "check").stdout == "The CRM (hubspot) can be used.\n"
    assert json.loads(run("crm", "check", "--json").stdout) == {"crm": "hubspot", "ok": True, "lacks": []}


def test_the_command_says_what_is_wrong(hubspot: HubSpotSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADOPS_HUBSPOT_TOKEN", "pat-wrong")
    settings.cache_clear()
    for verb in ("check", "setup"):
        result = run("crm", verb)
        assert isinstance(result.exception, UsageError)
        assert result.exception.code == "crm_key"
    monkeypatch.delenv("LEADOPS_HUBSPOT_TOKEN")
    settings.cache_clear()
    assert isinstance(run("crm", "check").exception, UsageError)


def test_the_folder_needs_no_setup(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("LEADOPS_CRM", "files")
    monkeypatch.setenv("LEADOPS_CRM_DIR", str(tmp_path))
    settings.cache_clear()
    assert read("crm", "setup") == {"crm": "files", "ok": True, "done": []}
    settings.cache_clear()
