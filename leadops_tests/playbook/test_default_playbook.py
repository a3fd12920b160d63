"""The playbook that ships: it must do what its comments say, and its copy must be fit to send."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, time
from typing import Any

import pytest

from leadops.domain import mail, scoring, slots
from leadops.domain.slots_judged import judge
from leadops.playbook import loader
from leadops.playbook.loader import LoadedPlaybook
from leadops.playbook.model import EVIDENCE_PATHS, SCORING_FIELDS, Template
from leadops.terms import SlotValue, Tier
from leadops_tests.playbook.folders import DEFAULT

FULL = {
    "contact.first_name": "Anna",
    "contact.last_name": "Schmidt",
    "contact.company": "Acme",
    "company.name": "Acme Inc",
    "company.industry": "logistics",
    "lead.interest": "sales dashboards",
    "lead.message": "We have two dashboards that never show the same revenue. Migration from Tableau, too.",
}
PASSAGES = ("two dashboards that never show the same revenue", "Migration from Tableau")


@pytest.fixture(scope="module")
def loaded() -> LoadedPlaybook:
    return loader.load(DEFAULT)


def tier_of(loaded: LoadedPlaybook, **inputs: Any) -> Tier:
    return scoring.score(inputs, loaded.playbook.scorecard).tier


def test_scoring_offers_every_field_a_signal_may_name() -> None:
    assert set(scoring.INPUTS) == SCORING_FIELDS


def test_eight_signals_make_a_hundred_points(loaded: LoadedPlaybook) -> None:
    signals = loaded.playbook.scorecard.signals
    assert len(signals) == 8
    assert sum(s.max_points for s in signals) == 100
    for signal in signals:
        top = max([*signal.equals.values(), *signal.contains.values(), *signal.at_least.values()])
        assert top == signal.max_points, signal.name


@pytest.mark.parametrize(
    "title", ["VP Sales", "Chief Data Officer", "Geschäftsführerin", "Directrice marketing"]
)
def test_a_demo_request_by_a_decision_maker_is_hot(loaded: LoadedPlaybook, title: str) -> None:
    tier = tier_of(
        loaded,
        company_size=200,
        title=title,
        lead_source="website",
        requested="demo_requested",
        pricing_views=0,
        page_views=0,
        business_email="yes",
        engagement=0,
    )
    assert tier is Tier.HOT


def test_a_typical_form_fill_is_warm(loaded: LoadedPlaybook) -> None:
    known = {"lead_source": "organic_search", "requested": "form_submitted", "business_email": "yes"}
    assert tier_of(loaded, **known, page_views=3, engagement=0, pricing_views=0) is Tier.WARM
    assert tier_of(loaded, **known, title="Marketing Manager", company_size=80, page_views=4) is Tier.WARM


@pytest.mark.parametrize("title", ["Intern", "Praktikantin Marketing", "Student", "Stagiaire"])
def test_a_download_by_a_learner_with_free_mail_is_cold(loaded: LoadedPlaybook, title: str) -> None:
    tier = tier_of(
        loaded,
        title=title,
        lead_source="organic_search",
        requested="content_downloaded",
        business_email="no",
        page_views=3,
        pricing_views=0,
        engagement=1,
    )
    assert tier is Tier.COLD


def test_nothing_known_is_cold(loaded: LoadedPlaybook) -> None:
    assert tier_of(loaded) is Tier.COLD


def test_sequences_are_as_promised(loaded: LoadedPlaybook) -> None:
    book = loaded.playbook
    assert [s.day for s in book.sequences[Tier.HOT].steps] == [0, 2, 5]
    assert len(book.sequences[Tier.WARM].steps) == 4
    assert book.sequences[Tier.WARM].steps[-1].day == 14
    assert len(book.sequences[Tier.COLD].steps) == 6
    assert book.sequences[Tier.COLD].steps[-1].day == 30
    assert all(s.min_gap_hours == 48 for s in book.sequences.values())
    assert book.sequences[Tier.HOT].variants == {"direct": 50, "question": 50}
    first = book.window_for(book.sequences[Tier.HOT], first=True)
    assert (len(first.days), first.start, first.end) == (7, time(0), None)
    business = book.window_for(book.sequences[Tier.HOT], first=False)
    assert (business.days, business.start, business.end) == (
        ("mon", "tue", "wed", "thu", "fri"),
        time(8),
        time(18),
    )
    nurture = book.window_for(book.sequences[Tier.COLD], first=True)
    assert (nurture.start, nurture.end, nurture.skip_holidays) == (time(9), time(17), True)
    assert "sat" not in nurture.days


def test_every_template_is_used_and_declares_known_evidence(loaded: LoadedPlaybook) -> None:
    assert loaded.unused_templates == ()
    for template in loaded.templates.values():
        evidence = {spec.evidence for spec in template.slots.values() if spec.choose is None}
        assert evidence <= set(EVIDENCE_PATHS)


def _answers(loaded: LoadedPlaybook, template: Template) -> list[dict[str, object]]:
    """What a model may answer: each combination of entries, with and without a passage."""
    options: dict[str, list[object]] = {}
    for slot, spec in template.slots.items():
        if spec.choose is not None:
            options[slot] = [None, *getattr(loaded.playbook, spec.choose)]
        elif spec.quote:
            options[slot] = [None, *PASSAGES]
        else:
            options[slot] = [FULL[spec.evidence or ""]]
    return [dict(zip(options, found, strict=True)) for found in itertools.product(*options.values())]


def _filled(loaded: LoadedPlaybook, template: Template) -> list[tuple[SlotValue, ...]]:
    """Slots with all evidence, with none, and with whatever a model may choose."""
    lists = {"pain_points": loaded.playbook.pain_points, "case_studies": loaded.playbook.case_studies}
    judged = [judge(template, FULL, answer, lists) for answer in _answers(loaded, template)]
    return [slots.fill(template, FULL), slots.fill(template, {}), *judged]


def _drafts(loaded: LoadedPlaybook) -> list[tuple[str, str]]:
    """(template, whole text) of each template, in every combination."""
    sender = loaded.playbook.sender
    return [
        (name, mail.body_text(slots.draft(template, filled, "A call"), sender.mailboxes[0], sender))
        for name, template in loaded.templates.items()
        for filled in _filled(loaded, template)
    ]


def test_first_and_second_touches_have_something_for_a_model_to_judge(loaded: LoadedPlaybook) -> None:
    judged = {n for n, t in loaded.templates.items() if any(s.is_judged for s in t.slots.values())}
    assert {"hot_1_question", "hot_2", "warm_1"} <= judged
    chosen = {s.choose for t in loaded.templates.values() for s in t.slots.values()}
    assert {"pain_points", "case_studies"} <= chosen
    quoted = [s.evidence for t in loaded.templates.values() for s in t.slots.values() if s.quote]
    assert quoted == ["lead.message"]
    assert not any(name.startswith("cold") for name in judged), "nothing is paid for a cold lead"


def test_each_entry_and_passage_reads_in_its_place(loaded: LoadedPlaybook) -> None:
    bodies = [text for _, text in _drafts(loaded)]
    for entry in (*loaded.playbook.pain_points.values(), *loaded.playbook.case_studies.values(), *PASSAGES):
        assert any(entry in body for body in bodies), entry
    for phrase in loaded.playbook.pain_points.values():
        assert phrase[0].islower(), phrase
        assert not phrase.endswith("."), phrase
    for sentence in loaded.playbook.case_studies.values():
        assert sentence[0].isupper(), sentence
        assert sentence.endswith("."), sentence


def test_copy_is_short_plain_and_asks_one_thing(loaded: LoadedPlaybook) -> None:
    for name, template in loaded.templates.items():
        words = template.body.split()
        assert len(words) <= 120, name
        assert template.body.rstrip().endswith(("?", ".")), name
        assert template.body.count("?") <= 2, name
        links = re.findall(r"https?:\S+|www\.\S+", template.body)
        assert len(links) <= 1, name
        assert all(re.fullmatch(r"https://www\.northwind\.example/[a-z-]+", link) for link in links), name
        assert not re.search(r"<[a-z]|\*\*|!", template.body), name
        assert len(template.subject) <= 60, name


def test_copy_claims_no_figure_about_anybody(loaded: LoadedPlaybook) -> None:
    for name, template in loaded.templates.items():
        figures = set(re.findall(r"\d+\S*", template.body)) - {"20-minute"}
        assert not figures, (name, figures)
        assert "%" not in template.body, name


def test_every_message_reads_right_and_can_be_stopped(loaded: LoadedPlaybook) -> None:
    sender = loaded.playbook.sender
    for name, text in _drafts(loaded):
        assert text.startswith(("Hi Anna,\n", "Hi there,\n")), name
        assert "{{" not in text, name
        assert "  " not in text, name
        assert not re.search(r"[ ,.]\.|,,|\?\.", text), name
        assert sender.postal_address in text, name
        assert "Reply 'unsubscribe'".lower() in text.lower(), name
        assert text.rstrip().endswith(sender.opt_out_line), name


def test_only_reserved_names_stand_in_it() -> None:
    for file in [DEFAULT, *DEFAULT.parent.glob("templates/*.md")]:
        for domain in re.findall(r"@([\w.-]+\w)", file.read_text(encoding="utf-8")):
            assert domain.endswith(".example"), (file.name, domain)
        for host in re.findall(r"https?://([\w.-]+)", file.read_text(encoding="utf-8")):
            assert host.endswith(".example"), (file.name, host)


def test_each_message_can_be_composed(loaded: LoadedPlaybook) -> None:
    sender = loaded.playbook.sender
    for name, template in loaded.templates.items():
        raw = mail.compose(
            touch_id="tch_1",
            draft=slots.draft(template, slots.fill(template, FULL), "A call"),
            to_address="anna@acme.example",
            to_name="Anna Schmidt",
            mailbox=sender.mailboxes[1],
            sender=sender,
            reply_token="tok",
            message_id="<tch_1@mail.northwind.example>",
            thread=(),
            date=datetime(2026, 3, 2, tzinfo=UTC),
        )
        assert b"Tomas Okafor" in raw, name
