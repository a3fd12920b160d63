from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.domain.replies import Inbound, ReplyVerdict, classify, new_text_of
from leadops.domain.return_dates import return_date
from leadops.terms import ReplyClass

NOW = datetime(2026, 9, 2, 10, 0, tzinfo=UTC)  # a Wednesday
OWN = frozenset({"mara@kestrel.example", "sales@kestrel.example"})
CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "replies.jsonl").read_text("utf-8").splitlines()
]
OPEN = [c for c in CASES if not c["held_back"]]
HELD_BACK = [c for c in CASES if c["held_back"]]

# Measured once, on the first run over the held-back third. Its cases are of the same hand as the rules, so:
# cases with a "round" were written later, to be hard. Of the opt-outs of round 2 the rules of the time found
# 32 of 50, of round 3 then 23 of 40, of round 4 then 25 of 30; every
# miss went to a person. They are among the open cases since.
HELD_BACK_ACCURACY = 75 / 76
HELD_BACK_OPT_OUT_RECALL = 1.0


def of(case: dict) -> ReplyVerdict:
    inbound = Inbound(
        case["subject"],
        case["text"],
        case["headers"],
        case["from"],
        OWN,
        case.get("folder"),
        case.get("hint"),
    )
    return classify(inbound, NOW, 14)


def said(text: str, subject: str = "Re: Your question", **headers: str) -> ReplyVerdict:
    return classify(Inbound(subject, text, headers, "pat@buyer.example", OWN), NOW, 14)


def figures(cases: list[dict]) -> tuple[float, float, list[str]]:
    found = {c["id"]: of(c).reply_class for c in cases}
    wrong = [f"{c['id']}: {c['expect']} as {found[c['id']]}" for c in cases if found[c["id"]] != c["expect"]]
    opt_outs = [c for c in cases if c["expect"] == "opt_out"]
    recall = sum(found[c["id"]] == "opt_out" for c in opt_outs) / len(opt_outs)
    return 1 - len(wrong) / len(cases), recall, wrong


def test_the_labelled_set_covers_every_class_and_eleven_languages():
    assert len(CASES) >= 160
    assert {c["expect"] for c in CASES} == set(ReplyClass) - {ReplyClass.NEW_LEAD}
    assert {c.get("lang") for c in CASES} >= {
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "zh",
        "ja",
        "pl",
        "sv",
    }
    assert len(HELD_BACK) == sum("round" not in c for c in CASES) // 3


def test_on_the_open_cases_no_opt_out_is_missed_and_accuracy_is_at_least_95_percent():
    accuracy, recall, wrong = figures(OPEN)
    assert recall == 1.0, wrong
    assert accuracy >= 0.95, wrong


def test_on_the_held_back_cases_the_figures_are_those_measured_once():
    accuracy, recall, wrong = figures(HELD_BACK)
    assert accuracy >= HELD_BACK_ACCURACY, wrong
    assert recall >= HELD_BACK_OPT_OUT_RECALL, wrong


@pytest.mark.parametrize("case", [c for c in CASES if c["expect"] == "human"], ids=lambda c: c["id"])
def test_no_person_is_taken_for_a_machine(case):
    found = of(case).reply_class
    assert found in (ReplyClass.HUMAN, ReplyClass.POSITIVE, ReplyClass.NEGATIVE), case["text"]


@pytest.mark.parametrize("case", [c for c in CASES if c["expect"] == "out_of_office"], ids=lambda c: c["id"])
def test_an_absence_resumes_a_business_day_after_the_return_or_after_the_default(case):
    expected = case.get("resume")
    at = datetime.fromisoformat(expected) if expected else NOW + timedelta(days=14)
    assert of(case).resume_at == at


def test_a_return_that_has_passed_resumes_on_the_next_business_day():
    found = said("I am out of office until 1 September.", "Out of office")
    assert found.reply_class is ReplyClass.OUT_OF_OFFICE
    assert found.resume_at == datetime(2026, 9, 3, 9, 0, tzinfo=UTC)


def test_an_absence_told_by_a_person_in_their_own_words_is_a_person():
    found = said("I am out of the office until Monday, but yes, let's talk on Tuesday.")
    assert found.reply_class is ReplyClass.POSITIVE
    assert found.resume_at is None


def test_our_footer_below_an_answer_is_not_an_opt_out_however_it_is_quoted():
    footer = "If you do not want to hear from us, reply 'unsubscribe'. Remove me: https://x.example/u"
    headers = "From: Mara <mara@kestrel.example>\nSent: Tuesday\nTo: Pat\nSubject: Hi\n\n"
    for quoted in (
        f"On Tue, Sep 1, 2026 at 9:14 AM Mara\n<mara@kestrel.example> wrote:\n> {footer}",
        f"On Tue, Sep 1, 2026 at 9:14 AM Mara <mara@kestrel.example> wrote:\n\n{footer}",
        f"{headers}{footer}",
        f"________________________________\n{headers}{footer}",
        f"-----Original Message-----\n{headers}{footer}",
        f"> {footer}\n>\n> > {footer}",
    ):
        assert said(f"Which plan includes SSO?\n\n{quoted}").reply_class is ReplyClass.HUMAN, quoted


def test_what_is_written_below_a_quote_counts():
    quote = "On Tue, Sep 1, 2026 Mara <mara@kestrel.example> wrote:\n> Are you interested?"
    text = f"{quote}\n\nPlease remove me from your list."
    assert said(text).reply_class is ReplyClass.OPT_OUT
    between = f"Hi Mara,\n\n{text}\n\n> Kestrel Ltd\n"
    assert said(between).reply_class is ReplyClass.OPT_OUT


def test_a_request_broken_over_two_lines_is_read_as_one():
    assert said("Could you please take me\noff your list?").reply_class is ReplyClass.OPT_OUT
    assert (
        said("Please don't\nremove me from your list, I need to ask my boss.").reply_class is ReplyClass.HUMAN
    )


def test_a_signature_word_does_not_hide_an_opt_out():
    assert said("Hi,\nThanks, but please remove me from your list.").reply_class is ReplyClass.OPT_OUT


def test_yes_and_no_in_one_message_is_for_a_person_to_read():
    assert (
        said("We are not interested in the tool, but please call me about consulting.").reply_class
        is ReplyClass.HUMAN
    )


@pytest.mark.parametrize(
    "stop", ["STOP", " stop ", "Stop!", "UNSUBSCRIBE", "Baja", "Abmelden.", "退订", "opt-out", "Opt out"]
)
def test_an_opt_out_word_on_its_own_is_enough(stop):
    assert said(stop).reply_class is ReplyClass.OPT_OUT
    assert said(f"{stop}\n\nPat Lee\nHead of Operations").reply_class is ReplyClass.OPT_OUT


def test_rfc_3834_headers_decide_and_their_no_does_not():
    assert said("Noted.", **{"auto-submitted": "auto-replied"}).reply_class is ReplyClass.AUTO
    assert said("Noted.", **{"auto-submitted": "No"}).reply_class is ReplyClass.HUMAN
    assert said("Noted.", **{"return-path": "<>"}).reply_class is ReplyClass.AUTO
    assert said("Noted.", **{"return-path": "<pat@buyer.example>"}).reply_class is ReplyClass.HUMAN


@pytest.mark.parametrize(
    "folder", ["Sent", "INBOX/Sent Items", "[Gmail]/Drafts", "Gesendete Elemente", "已发送"]
)
def test_a_copy_in_a_folder_of_ours_is_no_reply(folder):
    found = classify(Inbound("Hi", "unsubscribe", {}, "pat@buyer.example", OWN, folder), NOW, 14)
    assert found.reply_class is ReplyClass.OWN_COPY


def test_our_own_address_with_a_tag_or_a_name_is_still_ours():
    for sender in ("Mara <MARA@kestrel.example>", "sales+x7@kestrel.example"):
        assert classify(Inbound("Hi", "yes", {}, sender, OWN), NOW, 14).reply_class is ReplyClass.OWN_COPY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("back on 2026-10-05", date(2026, 10, 5)),
        ("zurück am 5.10.", date(2026, 10, 5)),
        ("zurück am 05.10.26", date(2026, 10, 5)),
        ("returning 10/5", date(2026, 10, 5)),
        ("returning 9/10", date(2026, 9, 10)),  # the reading that comes next
        ("until 25/9", date(2026, 9, 25)),
        ("until the 8th of September", date(2026, 9, 8)),
        ("jusqu'au 1er octobre", date(2026, 10, 1)),
        ("hasta el 3 de enero", date(2027, 1, 3)),
        ("away from 1 September to 11 September", date(2026, 9, 11)),
        ("our fair is on 20 October; I am back on 7 September", date(2026, 9, 7)),
        ("back on 31 February", None),
        ("call 030 12.34.56", None),
        ("version 1.2.3, ticket 4711", None),
        ("back soon", None),
        ("back on 1 May 2031", None),
    ],
)
def test_return_dates_are_read_as_people_write_them(text, expected):
    assert return_date(text, NOW.date()) == expected


@given(
    st.text(max_size=300),
    st.text(max_size=80),
    st.dictionaries(st.sampled_from(["auto-submitted", "precedence"]), st.text(max_size=10)),
)
@settings(max_examples=150, deadline=None)
def test_any_message_gets_one_class_and_only_an_absence_a_resume_time(text, subject, headers):
    found = classify(Inbound(subject, text, headers, "pat@buyer.example", OWN), NOW, 14)
    assert found.why
    assert (found.resume_at is not None) == (found.reply_class is ReplyClass.OUT_OF_OFFICE)
    if found.resume_at is not None:
        assert found.resume_at > NOW
    assert classify(Inbound(subject, text, headers, "pat@buyer.example", OWN), NOW, 14) == found


@pytest.mark.parametrize(
    "hostile",
    [
        "On " + "a " * 20_000,
        "On " * 8_000,
        "> " * 10_000,
        "From: x\n" * 3_000,
        "not " * 6_000,
        "a" * 60_000,
        "do not email " * 2_000,
    ],
    ids=["on", "ons", "quotes", "headers", "nots", "long", "repeated"],
)
def test_a_hostile_message_takes_no_time(hostile):
    began = time.perf_counter()
    said(hostile)
    assert time.perf_counter() - began < 5


def test_new_text_keeps_a_plain_message_as_it_is():
    assert new_text_of("Hello,\nwhich plan?\n") == "Hello,\nwhich plan?"
    assert new_text_of("") == ""
