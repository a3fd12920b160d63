"""What every CRM adapter must do, as tests over a bench: an adapter, and the CRM's other side.

A new adapter adds its bench to ``BENCHES`` in ``test_conformance.py`` and is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any

import pytest

from leadops.domain.intake import parse_event
from leadops.domain.keys import Keyring
from leadops.errors import UsageError
from leadops.providers.crm.port import CrmPort, Poll, RawRow, Writeback
from leadops.terms import LeadEvent, Outcome

UNICODE = "Zoë O’Neill-Ågård 李 😀"


def never() -> bool:
    return False


class Bench(ABC):
    """One CRM with an adapter on it. Leads are told apart by their email address."""

    crm: CrmPort

    @property
    @abstractmethod
    def now(self) -> datetime:
        """The CRM's clock."""

    @abstractmethod
    def another(self) -> CrmPort:
        """A second adapter over the same CRM, as another process would have it."""

    @abstractmethod
    def wrong(self) -> CrmPort:
        """An adapter whose configuration cannot work."""

    @abstractmethod
    def add_lead(self, email: str, company: str = "Acme") -> tuple[tuple[str, str], ...]:
        """Somebody becomes a lead there; the CRM's (source, id) pairs of them."""

    @abstractmethod
    def change_lead(self, email: str, company: str) -> None:
        """Somebody changes the lead's company there."""

    @abstractmethod
    def break_row(self) -> None:
        """Something nobody can read comes among the leads."""

    @abstractmethod
    def written(self, kind: str) -> list[str]:
        """What stands there of our write-backs of this kind, as text: one entry per thing a person sees."""


def events(poll: Poll) -> list[dict[str, Any]]:
    return [row.event for row in poll.rows if row.event is not None]


def errors(poll: Poll) -> list[RawRow]:
    return [row for row in poll.rows if row.error is not None]


def emails(poll: Poll) -> list[str]:
    return [e["contact"]["email"] for e in events(poll)]


def ids(poll: Poll) -> list[tuple[str, str]]:
    return [(e["source"], e["id"]) for e in events(poll)]


def accepted(bench: Bench, poll: Poll) -> list[LeadEvent]:
    """As the intake takes them: raises where it would not."""
    return [parse_event(e, now=bench.now, keyring=Keyring(b"test")) for e in events(poll)]


def everything(crm: CrmPort, cursor: str | None = None, limit: int = 1000) -> tuple[list[Poll], str]:
    """Poll until there is no more."""
    polls = []
    for _ in range(200):
        poll = crm.poll(cursor, limit, never)
        polls.append(poll)
        cursor = poll.cursor
        if not poll.more:
            return polls, cursor
    raise AssertionError("the adapter always says that there is more")


def one_of_each(who: tuple[tuple[str, str], ...], email: str = "a@acme.example") -> list[Writeback]:
    at = {"at": "2026-03-03T15:00:00+00:00"}
    payloads = {
        "touch": {"touch_id": "tch_1", "channel": "email", "subject": UNICODE, **at},
        "score": {"total": 81.5, "tier": "hot", "why": UNICODE, **at},
        "enrolment": {"enrolment_id": "enr_1", "state": "active", "sequence": "hot", **at},
        "task": {"title": f"Answer {UNICODE}", "they_wrote": "Call me <b>", "due_at": at["at"]},
    }
    contact = {"email": email, "name": UNICODE, "company": "Acme"}
    return [Writeback(f"{kind}:1", kind, "led_1", who, p, contact) for kind, p in payloads.items()]


class CrmConformance:
    """Tests over the fixture ``bench``."""

    def test_an_empty_crm_is_an_empty_poll(self, bench: Bench) -> None:
        poll = bench.crm.poll(None, 100, never)
        assert (poll.rows, poll.more) == ((), False)
        bench.crm.check()

    def test_the_first_poll_finds_everybody(self, bench: Bench) -> None:
        for n in range(7):
            bench.add_lead(f"a{n}@acme.example")
        polls, _ = everything(bench.crm)
        assert sorted(set(emails(polls[0]))) == [f"a{n}@acme.example" for n in range(7)]
        found = [e for poll in polls for e in accepted(bench, poll)]
        assert {e.kind.value for e in found} == {"lead_created"}
        assert {e.contact.company for e in found} == {"Acme"}

    def test_the_cursor_goes_on_where_it_was(self, bench: Bench) -> None:
        bench.add_lead("a@acme.example")
        _, cursor = everything(bench.crm)
        assert everything(bench.crm, cursor)[0][0].rows == ()
        bench.add_lead("b@acme.example")
        assert emails(bench.crm.poll(cursor, 100, never)) == ["b@acme.example"]

    def test_the_same_cursor_gives_the_same_rows(self, bench: Bench) -> None:
        for n in range(5):
            bench.add_lead(f"a{n}@acme.example")
        first = bench.crm.poll(None, 3, never)
        for crm in (bench.crm, bench.another()):
            assert ids(crm.poll(None, 3, never)) == ids(first)
            assert ids(crm.poll(first.cursor, 9, never)) == ids(bench.crm.poll(first.cursor, 9, never))

    @pytest.mark.parametrize("limit", [1, 2, 3, 10])
    def test_never_more_rows_than_asked_for_and_none_lost(self, bench: Bench, limit: int) -> None:
        for n in range(7):
            bench.add_lead(f"a{n}@acme.example")
        polls, _ = everything(bench.crm, limit=limit)
        assert all(len(poll.rows) <= limit for poll in polls)
        assert sorted(e for poll in polls for e in emails(poll)) == [f"a{n}@acme.example" for n in range(7)]

    def test_it_stops_when_told_to_and_goes_on_later(self, bench: Bench) -> None:
        for n in range(5):
            bench.add_lead(f"a{n}@acme.example")
        stopped = bench.crm.poll(None, 100, lambda: True)
        assert stopped.more
        rest, _ = everything(bench.crm, stopped.cursor)
        seen = [*emails(stopped), *(e for poll in rest for e in emails(poll))]
        assert sorted(seen) == [f"a{n}@acme.example" for n in range(5)]

    def test_a_change_is_news_and_a_re_read_is_none(self, bench: Bench) -> None:
        bench.add_lead("a@acme.example")
        polls, cursor = everything(bench.crm)
        known = {i for poll in polls for i in ids(poll)}
        for company in ("Globex", "Acme", "Globex"):
            bench.change_lead("a@acme.example", company)
            poll = bench.crm.poll(cursor, 100, never)
            cursor, fresh = poll.cursor, [e for e in events(poll) if (e["source"], e["id"]) not in known]
            assert [e["contact"]["company"] for e in fresh] == [company]
            known |= set(ids(poll))
        assert {i for poll in everything(bench.another())[0] for i in ids(poll)} <= known

    def test_what_cannot_be_read_is_told_and_takes_no_neighbour_along(self, bench: Bench) -> None:
        bench.add_lead("a@acme.example")
        bench.break_row()
        bench.add_lead("b@acme.example")
        polls, _ = everything(bench.crm)
        assert sorted(e for poll in polls for e in emails(poll)) == ["a@acme.example", "b@acme.example"]
        broken = [row for poll in polls for row in errors(poll)]
        assert len(broken) == 1
        assert (broken[0].event, bool(broken[0].where)) == (None, True)

    def test_every_kind_is_told_once_though_told_twice(self, bench: Bench) -> None:
        items = one_of_each(bench.add_lead("a@acme.example"), "a@acme.example")
        for crm in (bench.crm, bench.crm, bench.another()):
            results = crm.write([*items, *items])
            assert [r.dedupe_key for r in results] == [i.dedupe_key for i in [*items, *items]]
            assert [r.outcome for r in results] == [Outcome.ACCEPTED] * 8, results
        assert {kind: len(bench.written(kind)) for kind in ("touch", "score", "enrolment", "task")} == {
            "touch": 1,
            "score": 1,
            "enrolment": 1,
            "task": 1,
        }

    def test_words_arrive_as_they_are(self, bench: Bench) -> None:
        bench.crm.write(one_of_each(bench.add_lead("a@acme.example"), "a@acme.example"))
        for kind in ("touch", "score", "task"):
            assert UNICODE in bench.written(kind)[0], kind

    def test_nothing_to_tell_is_nothing(self, bench: Bench) -> None:
        assert bench.crm.write([]) == []

    def test_our_own_words_do_not_come_back_as_news(self, bench: Bench) -> None:
        who = bench.add_lead("a@acme.example")
        polls, cursor = everything(bench.crm)
        known = {i for poll in polls for i in ids(poll)}
        bench.crm.write(one_of_each(who, "a@acme.example"))
        polls, cursor = everything(bench.crm, cursor)
        assert {i for poll in polls for i in ids(poll)} <= known
        assert everything(bench.crm, cursor)[0][0].rows == ()

    def test_a_wrong_configuration_says_what_to_do(self, bench: Bench) -> None:
        with pytest.raises(UsageError) as raised:
            bench.wrong().check()
        assert "LEADOPS_" in str(raised.value)

    def test_setup_can_be_repeated(self, bench: Bench) -> None:
        assert all(isinstance(said, str) and said for said in [*bench.crm.setup(), *bench.crm.setup()])


def fixture_of(benches: dict[str, Any]) -> Any:
    """The fixture ``bench``, once per entry: name -> a function from a folder to a bench."""

    @pytest.fixture(params=sorted(benches))
    def bench(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
        return benches[request.param](tmp_path)

    return bench
