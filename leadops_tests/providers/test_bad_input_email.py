"""Bad input, mail: what each thing that can go wrong with SendGrid leaves in the ledger.

The real stage, a real Postgres, the official SDK, a server on a real socket. One touch is due. It is handed
over while the trouble is on; an hour later, with the trouble gone, everything runs again: was it sent, and
how often was the server asked in all? After an outcome that is not known it is never asked again (R2).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from leadops.providers.email.sendgrid import SendGrid
from leadops_tests.house import World, house_of
from leadops_tests.providers.email.sendgrid_servers import ACCEPTED, KEY, Api, Play, answer, errors
from leadops_tests.providers.email.servers import free_port
from leadops_tests.stages.sending import demo, process, send

FIRST = "select * from touches where position = 1"
HTML = "<html><head><title>Error</title></head><body><center>nginx</center></body></html>"
RESET = int(World.now.timestamp()) + 300  # the clock of these tests stands still
BAD_ADDRESS = errors("Does not contain a valid address.", "personalizations.0.to.0.email")


@dataclass(frozen=True, slots=True)
class Row:
    """``due_s``: seconds until it is tried again; None: never by itself. ``asked``: requests in all."""

    trouble: str
    play: Play
    state: str
    reason: str | None
    detail: str | None
    due_s: int | None
    asked: int
    later: str
    suppressed: int = 0


def refuses(status: int, message: str = "no", field: str | None = None, **headers: str) -> Play:
    return Play(answer(status, errors(message, field), **headers))


def page(status: int) -> Play:
    return Play(answer(status, HTML, Content_Type="text/html"))


def again(trouble: str, play: Play, detail: str, due_s: int = 60) -> Row:
    """Certainly not accepted: goes out later, with the same bytes."""
    return Row(trouble, play, "planned", "provider_retry", detail, due_s, 2, "sent")


def never(trouble: str, play: Play, detail: str, suppressed: int = 0) -> Row:
    """Certainly refused: ends here."""
    return Row(trouble, play, "failed", "rejected", detail, None, 1, "failed", suppressed)


def unknown(trouble: str, play: Play, detail: str) -> Row:
    """May have been accepted: a webhook or a person settles it, never a second request."""
    return Row(trouble, play, "unknown", "ambiguous", detail, None, 1, "unknown")


TABLE = [
    Row("nothing", Play(), "sent", None, None, None, 1, "sent"),
    # --- refused by the account: the sender's trouble, so the lead keeps its touch
    again("wrong key", refuses(401, "authorization required"), "sendgrid_key"),
    again("plan used up", refuses(401, "Maximum credits exceeded"), "sendgrid_credits"),
    again("missing scope", refuses(403, "access forbidden"), "sendgrid_forbidden"),
    # --- refused for good
    never("400", refuses(400), "sendgrid_400"),
    never(
        "400, a field of ours",
        refuses(400, "bad", "personalizations.0.to"),
        "sendgrid_400_personalizations.0.to",
    ),
    never(
        "400, the address: a hard bounce",
        Play(answer(400, BAD_ADDRESS)),
        "sendgrid_400_personalizations.0.to.0.email_5.1.3",
        suppressed=1,
    ),
    never("400, words about a person", refuses(400, "Anna", "anna@acme.example"), "sendgrid_400"),
    never("400, not JSON", page(400), "sendgrid_400"),
    never("404", refuses(404), "sendgrid_404"),
    never("405", refuses(405), "sendgrid_405"),
    never("409", refuses(409), "sendgrid_409"),
    never("413, nginx HTML", page(413), "sendgrid_413"),
    never("415", refuses(415), "sendgrid_415"),
    never("422", refuses(422), "sendgrid_422"),
    # --- not now
    again("408", refuses(408), "sendgrid_408"),
    again("429, Retry-After", refuses(429, Retry_After="120"), "sendgrid_429", 120),
    again("429, X-RateLimit-Reset", refuses(429, X_RateLimit_Reset=str(RESET)), "sendgrid_429", 300),
    again("429, neither", refuses(429), "sendgrid_429"),
    again("503", page(503), "sendgrid_503"),
    again("503, Retry-After a day", refuses(503, Retry_After="86400"), "sendgrid_503", 3600),
    # --- who knows
    unknown("500", refuses(500), "sendgrid_500"),
    unknown("501", refuses(501), "sendgrid_501"),
    unknown("502", page(502), "sendgrid_502"),
    unknown("504", page(504), "sendgrid_504"),
    unknown("timeout before acceptance", Play(b"", reads=False, hang=True), "timeout"),
    unknown("timeout after acceptance", Play(b"", hang=True), "timeout"),
    unknown("timeout in the answer", Play(cut=40, hang=True), "timeout"),
    unknown("cut before the answer", Play(b""), "connection_lost"),
    unknown("reset before the answer", Play(b"", reset=True), "connection_lost"),
    unknown("cut in the middle of the answer", Play(cut=len(ACCEPTED) - 9), "connection_lost"),
    unknown("garbage, no HTTP", Play(b"\x00\xffgarbage\r\n\r\n"), "unreadable"),
    unknown("garbage for JSON, 200", Play(answer(200, "<html>Welcome to the wifi</html>")), "sendgrid_200"),
    unknown("an odd 2xx", Play(answer(204)), "sendgrid_204"),
    unknown("elsewhere, 302", Play(answer(302, Location="http://127.0.0.1:1/")), "sendgrid_302"),
]


def due_touch(engine: Engine, folder: Path, url: str) -> World:
    """One touch is due, and SendGrid is at this URL."""
    world: World
    # The clock of the ledger is the clock of the allowance.
    email = SendGrid(KEY, url, timeout_s=0.5, clock=lambda: world.now.timestamp())
    world = World(house_of(engine, folder, email=email), folder)
    demo(world, 1)
    process(world)
    return world


def an_hour_later(world: World) -> None:
    world.later(hours=1)
    world.chain.reconcile(world.now)
    send(world)
    world.chain.reconcile(world.now)
    send(world)


def told(world: World) -> tuple[Any, ...]:
    touch = world.one(FIRST)
    return touch["state"], touch["reason"], touch["detail"]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.trouble)
def test_each_trouble_leaves_one_row_and_no_second_message(engine: Engine, tmp_path: Path, row: Row) -> None:
    with Api([row.play, Play()]) as api:
        world = due_touch(engine, tmp_path, api.url)
        send(world)
        assert told(world) == (row.state, row.reason, row.detail)
        touch = world.one(FIRST)
        assert (touch["attempts"], touch["provider"]) == (1, "sendgrid")
        # Only what was or may have been accepted takes a place under the cap (R22).
        assert (touch["handed_over_at"] is None) == (row.state == "planned")
        if row.due_s is not None:
            assert touch["due_at"] == world.now + timedelta(seconds=row.due_s)
        process(world)
        assert world.one("select count(*) from suppressions") == row.suppressed
        an_hour_later(world)
        assert api.connections == row.asked
        assert told(world)[0] == row.later
        bodies = api.bodies
        assert all(body == bodies[0] for body in bodies)
        if row.later == "sent":
            assert world.one(FIRST)["provider_ref"] == "JQtrNr0IRR-slAi2eCUMSg"


def test_nothing_listens_yet(engine: Engine, tmp_path: Path) -> None:
    port = free_port()
    world = due_touch(engine, tmp_path, f"http://127.0.0.1:{port}")
    send(world)
    assert told(world) == ("planned", "provider_retry", "refused")
    with Api(port=port) as api:
        an_hour_later(world)
        assert (len(api.requests), told(world)) == (1, ("sent", None, None))


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("http://no-such-host.invalid", "dns"),
        ("ftp://127.0.0.1", "misconfigured"),
        ("http://127.0.0.1:99999", "misconfigured"),
    ],
)
def test_an_address_that_leads_nowhere_is_tried_again_and_costs_no_lead(
    engine: Engine, tmp_path: Path, url: str, detail: str
) -> None:
    world = due_touch(engine, tmp_path, url)
    send(world)
    assert told(world) == ("planned", "provider_retry", detail)
    an_hour_later(world)
    assert told(world) == ("planned", "provider_retry", detail)
    assert world.one(FIRST)["attempts"] == 2


def test_one_of_three_fails_and_the_others_go(engine: Engine, tmp_path: Path) -> None:
    """R16: a refusal or an unknown outcome is that touch's own."""
    with Api([Play(), refuses(400), Play(b"")]) as api:
        world: World
        email = SendGrid(KEY, api.url, clock=lambda: world.now.timestamp())
        world = World(house_of(engine, tmp_path, email=email), tmp_path)
        demo(world, 1, 2, 3)
        process(world)
        done = send(world).dispatches.counts
        assert (done["sent"], done["failed:rejected"], done["unknown"]) == (1, 1, 1)
        an_hour_later(world)
        assert len(api.requests) == 3


def test_used_up_for_now_means_nobody_is_asked_until_it_is_renewed(engine: Engine, tmp_path: Path) -> None:
    last = Play(answer(202, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(RESET)))
    with Api([last, Play()]) as api:
        world: World
        email = SendGrid(KEY, api.url, clock=lambda: world.now.timestamp())
        world = World(house_of(engine, tmp_path, email=email), tmp_path)
        demo(world, 1, 2, 3)
        process(world)
        done = send(world).dispatches.counts
        assert (done["sent"], done["retry"]) == (1, 2)
        assert api.connections == 1
        held = world.rows(f"{FIRST} and state = 'planned'")
        assert {(t["detail"], t["due_at"]) for t in held} == {
            ("sendgrid_paused", world.now + timedelta(seconds=300))
        }
        world.later(seconds=299)
        assert send(world).dispatches.counts["claimed"] == 0
        world.later(seconds=1)
        assert send(world).dispatches.counts["sent"] == 2
        assert len(api.requests) == 3


def test_a_follow_up_cites_what_it_follows_and_offers_one_click(engine: Engine, tmp_path: Path) -> None:
    """R10 and RFC 8058, through the whole chain."""
    with Api() as api:
        world: World
        email = SendGrid(KEY, api.url, clock=lambda: world.now.timestamp())
        parts = {"email": email, "public_url": "https://hooks.northwind.example/"}
        world = World(house_of(engine, tmp_path, **parts), tmp_path)
        demo(world, 1)
        world.go(world.now + timedelta(days=10))
        first, *others = api.bodies
        assert len(others) >= 1
        chain = [first["headers"]["Message-ID"]]
        assert "In-Reply-To" not in first["headers"]
        for body in others:
            assert body["headers"]["In-Reply-To"] == chain[-1]
            assert body["headers"]["References"].split() == chain
            assert body["subject"] == f"Re: {first['subject']}"
            assert body["from"] == first["from"]
            chain.append(body["headers"]["Message-ID"])
        for body in api.bodies:
            token = body["reply_to"]["email"].partition("@")[0].removeprefix("reply+")
            link = f"https://hooks.northwind.example/u/{token}"
            assert body["headers"]["List-Unsubscribe"].startswith(f"<{link}>, <mailto:")
            assert body["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
            assert body["content"][0]["value"].rstrip().endswith(f" {link}")
