"""The service as it is deployed, on a real database: what comes back over HTTP stops what it must stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from leadops.cli.ingest import application
from leadops.errors import UsageError
from leadops.settings import Settings
from leadops_tests.house import DEMO, World, house_of, wire
from leadops_tests.providers.email.sendgrid_keys import KeyPair
from leadops_tests.web.serving import served

EVENTS, INBOUND = KeyPair(), KeyPair()


@dataclass
class Service:
    """The running service, the world behind it, and a lead whose first touch was sent."""

    world: World
    client: httpx.Client

    @property
    def token(self) -> str:
        return str(self.world.one("select reply_token from enrolments"))

    @property
    def touch(self) -> str:
        return str(self.world.one("select touch_id from touches where handed_over_at is not null"))

    def tell(self, *events: dict[str, Any]) -> dict[str, int]:
        body = json.dumps(list(events)).encode()
        headers = {"Content-Type": "application/json"} | EVENTS.signed(body, self.world.now)
        answer = self.client.post("/v1/webhooks/sendgrid/events", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, int] = answer.json()
        return found

    def event(self, kind: str, number: int = 1, *, ago: float = 60, **more: Any) -> dict[str, Any]:
        return {
            "email": "anna@acme.example",
            "timestamp": int(self.world.now.timestamp() - ago),
            "event": kind,
            "sg_event_id": f"{kind}-{number}",
            "leadops_touch_id": self.touch,
        } | more

    def mail(self, **fields: str) -> dict[str, int]:
        parts = [(n, (None, v.encode())) for n, v in fields.items()]
        request = httpx.Request("POST", "http://x.example", files=parts)
        body = request.read()
        headers = {"Content-Type": request.headers["content-type"]} | INBOUND.signed(body, self.world.now)
        answer = self.client.post("/v1/webhooks/sendgrid/inbound", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, int] = answer.json()
        return found

    def next_weeks(self) -> int:
        """How many mails leave in the five weeks that follow."""
        before = len(self.world.outbox())
        from datetime import timedelta

        self.world.go(self.world.now + timedelta(days=35))
        return len(self.world.outbox()) - before


def configured(folder: Path, **more: Any) -> Settings:
    given = {"home": folder, "sendgrid_event_key": EVENTS.public, "sendgrid_inbound_key": INBOUND.public}
    return Settings(_env_file=None, **{"ingest_key": "key", "secret_key": "test", **given, **more})


@pytest.fixture
def service(engine: Engine, tmp_path: Path) -> Iterator[Service]:
    world = World(house_of(engine, tmp_path), tmp_path)
    world.post(wire("demo_requested", **DEMO))
    world.run()
    assert len(world.outbox()) == 1
    world.later(minutes=10)
    app = application(engine, configured(tmp_path), world.house.keyring, world.clock)
    with served(app) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield Service(world, client)


def test_without_an_answer_the_sequence_goes_on(service: Service) -> None:
    assert service.next_weeks() >= 1


@pytest.mark.parametrize("fields", [{"List-Unsubscribe": "One-Click"}, {"confirm": "yes"}])
def test_after_the_post_no_touch_leaves_and_the_address_is_suppressed(
    service: Service, fields: dict[str, str]
) -> None:
    link = f"/u/{service.token}"
    assert [service.client.request(m, link).status_code for m in ("GET", "HEAD", "PUT")] == [200, 200, 405]
    assert service.world.rows("select 1 from lead_events where kind = 'opted_out'") == []
    for _ in range(2):
        assert service.client.post(link, data=fields).status_code == 200
    assert service.world.one("select count(*) from lead_events where source = 'unsubscribe'") == 1
    assert service.next_weeks() == 0
    assert service.world.one("select state from enrolments") == "opted_out"
    assert service.world.one("select count(*) from suppressions where reason = 'opted_out'") >= 1
    service.world.post(wire("demo_requested", **DEMO, id="again", at=service.world.now))
    assert service.next_weeks() == 0, "the same person again"


def test_the_post_holds_a_touch_from_its_commit_on(service: Service) -> None:
    """Nothing has folded the event yet: the gate alone refuses."""
    assert service.client.post(f"/u/{service.token}", data={"confirm": "yes"}).status_code == 200
    blocked = service.world.one(
        "select count(*) from event_keys k join lead_events e using (event_id)"
        " where k.blocking and k.key = :key and e.pending_fold",
        key=service.world.house.keyring.token(service.token),
    )
    assert blocked == 1


def test_an_unknown_link_stores_nothing(service: Service) -> None:
    before = service.world.one("select count(*) from lead_events")
    assert service.client.post("/u/" + "a" * 24, data={"confirm": "yes"}).status_code == 404
    assert service.world.one("select count(*) from lead_events") == before


@pytest.mark.parametrize(
    ("kind", "more", "state"),
    [
        ("bounce", {"type": "bounce", "status": "5.1.1"}, "bounced"),
        ("spamreport", {}, "opted_out"),
        ("unsubscribe", {}, "opted_out"),
        ("group_unsubscribe", {}, "opted_out"),
        ("dropped", {"reason": "Bounced Address"}, "bounced"),
        ("dropped", {"reason": "Unsubscribed Address"}, "opted_out"),
    ],
)
def test_what_the_vendor_says_stops_the_sequence(
    service: Service, kind: str, more: dict[str, Any], state: str
) -> None:
    assert service.tell(service.event(kind, **more))["stored"] == 1
    assert service.tell(service.event(kind, **more))["duplicates"] == 1
    assert service.next_weeks() == 0
    assert service.world.one("select state from enrolments") == state


def test_a_block_and_a_deferral_stop_nothing(service: Service) -> None:
    blocked = service.event("bounce", type="blocked", status="5.7.1")
    assert service.tell(blocked, service.event("deferred")) == {
        "stored": 1,
        "duplicates": 0,
        "quarantined": 0,
        "ignored": 1,
    }
    assert service.next_weeks() >= 1


def human_clicks(service: Service) -> int:
    service.world.run()
    return int(service.world.one("select (state->>'human_clicks')::int from leads where merged_into is null"))


def test_only_a_persons_click_escalates_and_later_evidence_takes_it_back(service: Service) -> None:
    browser = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.6 Mobile/15E148 Safari/604.1"
    )

    def click(number: int, ago: float, agent: str = browser) -> dict[str, Any]:
        url = f"https://acme.example/{number}"
        return service.event("click", number, ago=ago, useragent=agent, ip="203.0.113.7", url=url)

    service.tell(service.event("open", ago=400, useragent="Mozilla/5.0", sg_machine_open=True))
    service.tell(click(1, 100), click(2, 90, "Barracuda Sentinel (EE)"))
    assert human_clicks(service) == 0, "when it was delivered is not known"
    service.tell(service.event("delivered", ago=500))
    assert human_clicks(service) == 1
    service.tell(click(3, 99))
    assert human_clicks(service) == 0, "two links in one second"


def test_a_reply_by_inbound_parse_stops_and_is_handed_over(service: Service) -> None:
    to = f"reply+{service.token}@in.example.com"
    head = f"From: Anna Berg <anna@acme.example>\nTo: {to}\nMessage-ID: <a1@acme.example>\n"
    given = {"headers": head, "subject": "Re: Hello", "text": "Yes, call me on Monday.", "to": to}
    assert service.mail(**given)["stored"] == 1
    assert service.mail(**given)["duplicates"] == 1
    assert service.next_weeks() == 0
    found = service.world.rows("select class, matched_by from replies")
    assert found == [{"class": "positive", "matched_by": "token"}]
    assert service.world.one("select count(*) from handoffs") == 1


def test_an_absence_by_inbound_parse_delays_and_does_not_stop(service: Service) -> None:
    to = f"reply+{service.token}@in.example.com"
    head = (
        f"From: anna@acme.example\nTo: {to}\nMessage-ID: <a2@acme.example>\nAuto-Submitted: auto-replied\n"
        "Subject: Out of office\n"
    )
    service.mail(headers=head, subject="Out of office", text="I am out of the office until March 10.", to=to)
    service.world.run()
    assert service.world.one("select class from replies") == "out_of_office"
    assert service.world.one("select state from enrolments") == "paused_ooo"
    assert service.next_weeks() >= 1


def test_a_mail_to_unsubscribe_from_another_address_stops_the_thread(service: Service) -> None:
    head = "From: anna.private@gmail.com\nTo: unsubscribe@in.example.com\nMessage-ID: <a3@gmail.com>\n"
    service.mail(headers=head, subject=f"unsubscribe {service.token}", text="")
    assert service.next_weeks() == 0
    assert service.world.one("select state from enrolments") == "opted_out"
    # The lead's address and the one it was written from.
    assert service.world.one("select count(*) from suppressions where reason = 'opted_out'") == 2


def test_without_keys_webhooks_are_to_come_again_and_the_rest_works(engine: Engine, tmp_path: Path) -> None:
    config = configured(tmp_path, sendgrid_event_key=None, sendgrid_inbound_key=None)
    with served(application(engine, config)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        for name in ("events", "inbound"):
            assert client.post(f"/v1/webhooks/sendgrid/{name}", content=b"[]").status_code == 503
        assert client.get("/readyz").status_code == 200
        answer = client.post("/v1/events", json=wire("page_viewed"), headers={"Authorization": "Bearer key"})
        assert answer.status_code == 202


def test_a_key_that_is_none_is_said_at_start(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="LEADOPS_SENDGRID_INBOUND_KEY"):
        application(engine, configured(tmp_path, sendgrid_inbound_key="SG.not-a-key"))


def test_the_sandboxs_webhooks_are_accepted(service: Service) -> None:
    sandbox = pytest.importorskip("leadops.sandbox.webhooks")
    inbound = pytest.importorskip("leadops.sandbox.sendgrid.inbound")
    events_pem, events_key = sandbox.new_key_pair()
    mail_pem, mail_key = sandbox.new_key_pair()
    from datetime import UTC, datetime

    world = service.world
    config = configured(world.folder, sendgrid_event_key=events_key, sendgrid_inbound_key=mail_key)
    # The poster signs with this machine's clock.
    app = application(world.house.engine, config, world.house.keyring, lambda: datetime.now(UTC))
    with served(app) as url:
        base = f"{url}/v1/webhooks/sendgrid"
        poster = sandbox.Webhooks(f"{base}/events", f"{base}/inbound", events_pem, mail_pem)
        try:
            poster.post_events([service.event("delivered"), service.event("open", sg_machine_open=True)])
            poster.post_inbound(
                inbound.form_of(
                    None,
                    from_address="anna@acme.example",
                    from_name="Anna Böhm",
                    subject="Re: Hello",
                    text="Passt. Grüße",
                    at=world.now,
                    message_id="<s1@acme.example>",
                    to=f"reply+{service.token}@in.example.com",
                )
            )
            assert poster.wait_idle(30)
            assert (poster.counters.delivered, poster.counters.refused) == (2, 0)
        finally:
            poster.close()
    found = world.rows("select kind from lead_events where source like 'sendgrid%' order by kind")
    assert [r["kind"] for r in found] == ["email_delivered", "email_opened", "reply_received"]
