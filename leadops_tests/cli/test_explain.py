"""``leadops explain`` as a person in sales reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from leadops.errors import LeadopsError, UsageError
from leadops.playbook.model import Route
from leadops_tests.cli.installed import read, run
from leadops_tests.house import DEMO, World, wire


def test_the_page_says_what_was_sent_and_why_the_rest_was_not(world: World) -> None:
    world.post(wire("demo_requested", crm_id="17", **DEMO))
    world.run()
    result = run("explain", "anna@acme.example", "--at", "2026-03-03T16:00:00+00:00")
    assert result.exit_code == 0, result.exception
    page = result.stdout
    assert "\x1b" not in page
    assert all(len(line) <= 80 for line in page.splitlines())
    words = " ".join(page.split())
    assert "1. e-mail, hot step 1: sent 2026-03-03 15:00 UTC" in words
    assert "hot step 2: not sent because it is planned for 2026-03-" in words
    assert "predecessor settled ok" in words
    assert "due NO <-" in words
    assert "from contact.first_name" in words
    assert "demo requested (web)" in words
    assert "VP Operations, Acme, US" in words


def test_a_moment_can_be_asked_about(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.run()
    due = world.one("select due_at from touches where position = 2")
    at = (due + timedelta(minutes=1)).isoformat()
    touch = world.one("select touch_id from touches where position = 2")
    told = read("explain", touch, "--at", at, "--touch", touch)
    assert [t["touch_id"] for t in told["touches"]] == [touch]
    assert told["touches"][0]["decided_by"] is None
    assert told["touches"][0]["verdict"].startswith("not sent yet, but nothing holds it")


def test_pages_of_leads_in_every_other_state(world: World) -> None:
    world.post(
        wire("page_viewed", "reader@acme.example"),
        wire("demo_requested", "old@other.example", at=world.now - timedelta(days=400)),
        wire("demo_requested", **DEMO),
    )
    world.run()
    world.later(hours=1)
    world.post(wire("reply_received", at=world.now, properties={"text": "Please call [me]."}))
    world.run()
    assert "Not a lead yet" in run("explain", "reader@acme.example").stdout
    old = " ".join(run("explain", "old@other.example").stdout.split())
    assert "Not enrolled because what they asked for is too long ago." in old
    page = " ".join(run("explain", "anna@acme.example").stdout.split())
    assert "Automation is over: the lead replied" in page
    assert "Please call [me]. [stops automation]" in page
    assert "they replied: answer them" in page
    assert "not sent because the lead replied" in page


def test_a_score_is_said_as_to_a_rep_and_adds_up(world: World) -> None:
    world.post(wire("demo_requested", **DEMO))
    world.post(wire("demo_requested", "eve@competitor.example", **DEMO))
    world.run()
    page = run("explain", "anna@acme.example").stdout
    table = page.partition("Score\n")[2].partition("together")[0].splitlines()[1:]
    *amounts, total = [float(line.split()[0]) for line in table]
    assert sum(amounts) == total == 70
    assert "+18  title 'VP Operations' has 'vp': 18 of 18" in page
    assert "70  together" in page
    out = " ".join(run("explain", "eve@competitor.example").stdout.split())
    assert "In no sequence, whatever the points: competitor." in out
    assert "Not enrolled because the scorecard rules them out." in out


def test_who_clicked_and_moved_up_reads_so_and_what_gave_way_is_short(world: World) -> None:
    world.post(wire("form_submitted", **{**DEMO, "company_size": 30}))
    world.run()
    world.later(hours=4)
    world.post(wire("email_clicked", at=world.now, properties={"actor": "human"}))
    world.run()
    page = run("explain", "anna@acme.example").stdout
    words = " ".join(page.split())
    assert "hot (raised from warm: they clicked), variant" in words
    assert "warm step 2: not sent because the lead was moved up to a more urgent sequence" in words
    gave_way = page.partition("warm step 2")[2].partition("warm step 3")[0]
    assert "enrolment live" not in gave_way  # the gates speak of what may still go


def test_a_lead_that_is_a_reps_from_the_first_touch_reads_so(world: World) -> None:
    loaded = world.house.loaded
    first = replace(loaded, playbook=loaded.playbook.model_copy(update={"routing": (Route(),)}))
    world = World(replace(world.house, loaded=first), world.folder, world.now)
    world.post(wire("demo_requested", **DEMO))
    world.run()
    words = " ".join(run("explain", "anna@acme.example").stdout.split())
    assert "variant rep_first" in words
    assert "a rep has them from the first touch, and nothing is sent automatically" in words
    assert "a new lead that gets no automated message: be the first to reach them; rep-" in words


def test_nobody_and_several(world: World) -> None:
    world.post(wire("demo_requested", crm_id="17", **DEMO))
    world.post(wire("demo_requested", "bo@other.example", crm_id="17", source="files", first_name="Bo"))
    world.run()
    nobody = run("explain", "nobody@acme.example")
    assert isinstance(nobody.exception, LeadopsError)
    assert not isinstance(nobody.exception, UsageError)
    several = run("explain", "17")
    assert several.exit_code == 2
    assert "anna@acme.example" in several.stderr
    assert "bo@other.example" in several.stderr
    assert run("explain", "17", "--json").exit_code == 2
    wrong = run("explain", "anna@acme.example", "--at", "tomorrow")
    assert isinstance(wrong.exception, UsageError)
