"""Who the leads are, how likely they are to get in touch, and what they do about a mail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadops.domain.addresses import clean_email, is_free_mail
from leadops.domain.replies import Inbound, classify
from leadops.sandbox.world import letters, words
from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.people import Person, person_of
from leadops.sandbox.world.places import PLACES
from leadops.sandbox.world.propensity import HIGHEST, haste, interest, propensity
from leadops.sandbox.world.reactions import (
    BAD,
    GOOD,
    LIVE_S,
    Fate,
    Letter,
    Reaction,
    compressed,
    fate_of,
    reactions_to,
)
from leadops.sandbox.world.rhythm import Rhythm
from leadops.terms import ReplyClass
from leadops_tests.sandbox.world.staging import MONDAY, Stage

CHANCE = Chance(7)
DELAYS = [timedelta(), *(timedelta(minutes=m) for m in (1, 5, 30, 60, 240, 1440, 4320, 14400))]
LINKS = ("https://northwind.example/a", "https://northwind.example/b", "https://northwind.example/c")
LETTER = Letter(1, MONDAY + timedelta(hours=15), LINKS, opens_tracked=True, clicks_tracked=True)


@cache
def people() -> tuple[Person, ...]:
    moments = Rhythm(7, 500).between(MONDAY, MONDAY + timedelta(weeks=6))
    return tuple(person_of(CHANCE, moment) for moment in moments)


def reactions(pace: float = 1.0, letter: Letter = LETTER) -> Iterator[tuple[Person, Fate, list[Reaction]]]:
    for person in people():
        fate = fate_of(CHANCE, person, timedelta(minutes=1))
        yield person, fate, reactions_to(CHANCE, person, fate, letter, pace)


def test_the_same_key_is_the_same_person() -> None:
    moment = next(Rhythm(7, 500).between(MONDAY, MONDAY + timedelta(days=3)))
    assert person_of(Chance(7), moment) == person_of(Chance(7), moment)
    assert person_of(Chance(8), moment) != person_of(Chance(7), moment)


def test_nobody_can_be_reached_for_real() -> None:
    for person in people():
        for address in (person.email, person.alias):
            local, _, domain = address.rpartition("@")
            # Gmail takes no hyphen in a new address.
            assert domain.endswith(".example") or (domain == "gmail.com" and "-" in local), address
            assert clean_email(address), address
        assert not person.phone or "55501" in person.phone


def test_all_kinds_of_people_come() -> None:
    found = people()
    assert {p.country for p in found} == {place.code for place in PLACES}
    assert any(is_free_mail(p.email.rpartition("@")[2]) for p in found)
    for quirk in ("no_name", "full_name_first", "shouting", "injection", "typo", "test", "auto_ack"):
        assert any(p.quirk == quirk for p in found), quirk
    written = "".join(p.first + p.last for p in found)
    for script in ("田", "М" if "М" in written else "Μ", "ا", "शर्मा", "지"):
        assert script in written, script
    assert {p.fault for p in found} == {"", "hard", "left", "full", "blocks", "slow"}
    assert any("'" in p.last for p in found)
    assert any(p.last.startswith(("van ", "de ", "von ")) for p in found)


@pytest.mark.parametrize("person", people()[:200], ids=lambda p: p.key)
def test_interest_falls_with_every_wait(person: Person) -> None:
    chances = [propensity(person, d) for d in DELAYS]
    if interest(person) == 0:
        assert chances == [0.0] * len(chances)
    else:
        assert all(a > b > 0 for a, b in pairwise(chances))
        assert chances[0] == interest(person) <= HIGHEST


@given(st.floats(0, 1e7), st.floats(1, 1e6))
def test_haste_is_strictly_falling(seconds: float, more: float) -> None:
    early, late = haste(timedelta(seconds=seconds)), haste(timedelta(seconds=seconds + more))
    assert 0.25 < late < early <= 1


def test_who_gets_in_touch_after_a_long_wait_does_so_after_a_short_one() -> None:
    lost = 0
    for person in people():
        fates = [fate_of(CHANCE, person, d) for d in DELAYS]
        good = [f.kind in GOOD for f in fates]
        assert good == sorted(good, reverse=True)
        assert len({f for f in fates if f.kind in GOOD}) <= 1
        lost += good[0] and not good[-1]
    assert lost > 50


def test_interest_differs_by_what_a_scorecard_sees_and_more() -> None:
    def mean(of: list[Person]) -> float:
        return sum(interest(p) for p in of) / len(of)

    real = [p for p in people() if p.is_real]
    by_source = {
        s: mean([p for p in real if p.source == s]) for s in ("referral", "organic_search", "social")
    }
    assert by_source["referral"] > by_source["organic_search"] > by_source["social"]
    assert mean([p for p in real if p.ask == "demo"]) > 2 * mean([p for p in real if p.ask == "guide"])
    assert mean([p for p in real if p.level == "vp"]) > mean([p for p in real if p.level == "student"])
    person = replace(next(p for p in real if not p.fault), size=4)
    assert interest(replace(person, size=420)) > interest(person)


def test_every_kind_of_reaction_happens() -> None:
    kinds = Counter[str]()
    for _, _, found in reactions():
        for r in found:
            kinds[str(r.data.get("event") or r.data.get("says") or r.data.get("note") or r.kind)] += 1
    events = {"processed", "delivered", "deferred", "bounce", "open", "click", "spamreport"}
    wanted = events | (set(GOOD) - {"books"}) | (set(BAD) - {"complaint"}) | {"away", "left", "ack", "books"}
    assert kinds.keys() == wanted
    assert kinds["processed"] == len(people())


def test_bounces_are_hard_soft_and_by_policy() -> None:
    seen = {
        (p.fault, r.data["type"], r.data["status"])
        for p, _, found in reactions()
        for r in found
        if r.data.get("event") == "bounce"
    }
    assert seen == {
        ("hard", "bounce", "5.1.1"),
        ("full", "blocked", "4.2.2"),
        ("blocks", "blocked", "5.7.1"),
    }


def test_a_scanner_follows_every_link_at_once_and_people_take_their_time() -> None:
    bursts = late = 0
    for person, _, found in reactions():
        delivered = next((r.at for r in found if r.data.get("event") == "delivered"), None)
        clicks = [r for r in found if r.data.get("event") == "click"]
        machine = [r for r in clicks if r.data["ip"] == "203.0.113.66"]
        if machine:
            assert person.scanned
            assert delivered is not None
            assert {r.data["url"] for r in machine} == set(LINKS)
            assert machine[-1].at - machine[0].at < timedelta(seconds=2)
            assert machine[0].at - delivered < timedelta(seconds=20)
            bursts += 1
        late += any(delivered and r.at - delivered > timedelta(minutes=2) for r in clicks if r not in machine)
    assert bursts > 100
    assert late > 50


def test_nothing_is_clicked_or_opened_that_is_not_tracked() -> None:
    plain = replace(LETTER, opens_tracked=False, clicks_tracked=False)
    for _, _, found in reactions(letter=plain):
        assert not [r for r in found if r.data.get("event") in ("open", "click")]


def test_pace_changes_when_and_never_who_does_what() -> None:
    for (_, _, slow), (_, _, fast) in zip(reactions(), reactions(pace=120.0), strict=True):
        assert Counter(_what(r) for r in slow) == Counter(_what(r) for r in fast)
        delivered = next((r.at for r in fast if r.data.get("event") == "delivered"), LETTER.at)
        assert all(r.at - delivered <= timedelta(seconds=60) for r in fast)


def _what(reaction: Reaction) -> tuple[str, str]:
    return reaction.kind, str({k: v for k, v in reaction.data.items() if k != "back"})


@given(st.floats(0, 1e7), st.floats(0.1, 1e5), st.floats(1.1, 1000))
def test_who_was_first_stays_first_at_any_pace(seconds: float, more: float, pace: float) -> None:
    one, two = (
        compressed(timedelta(seconds=seconds), pace),
        compressed(timedelta(seconds=seconds + more), pace),
    )
    assert one <= two <= timedelta(seconds=LIVE_S)


def test_people_answer_when_they_are_awake() -> None:
    for person, _, found in reactions():
        for r in found:
            if r.kind == "reply":
                local = r.at.astimezone(ZoneInfo(person.zone))
                assert 7 <= local.hour <= 21, local


CLASSES = {
    "interested": {ReplyClass.POSITIVE, ReplyClass.HUMAN},
    "question": {ReplyClass.HUMAN, ReplyClass.POSITIVE},
    "not_interested": {ReplyClass.NEGATIVE},
    "wrong_person": {ReplyClass.HUMAN, ReplyClass.NEGATIVE},
    "opt_out": {ReplyClass.OPT_OUT},
}


@pytest.mark.parametrize(
    ("says", "language", "text"),
    [(s, lang, t) for s, by in words.REPLIES.items() for lang, texts in by.items() for t in texts],
)
def test_what_people_write_means_what_they_mean(says: str, language: str, text: str) -> None:
    inbound = Inbound("Re: A short call", text.format(first="Anna"), from_address="anna@acme.example")
    assert classify(inbound, MONDAY, 14).reply_class in CLASSES[says], (language, text)


def test_absence_notes_say_when_people_are_back() -> None:
    """In most languages the date can be read; where it cannot, the default applies."""
    stage = Stage.new()
    stage.write("nobody@nowhere.example", MONDAY)
    mail = stage.mailroom.accepted[0]
    read, away = 0, 0
    for person, _, found in reactions():
        for r in (r for r in found if r.data.get("note") == "away"):
            form = letters.automatic(CHANCE, person, mail, r.data)
            headers = {k.lower(): v for k, v in dict(form.get("headers") or {}).items()}
            inbound = Inbound(str(form["subject"]), str(form["text"]), headers, str(form["from_address"]))
            verdict = classify(inbound, r.at, 14)
            assert verdict.reply_class is ReplyClass.OUT_OF_OFFICE, form
            away += 1
            read += "away until" in verdict.why
    assert away > 30
    assert 0.5 < read / away < 1
