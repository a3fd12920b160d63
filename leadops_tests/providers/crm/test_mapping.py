"""A mapping says what a row means; what it cannot mean is told with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadops.errors import UsageError
from leadops.providers.crm.mapping import column_of, default_mapping, parse_mapping, spec_for, to_event
from leadops.providers.crm.mapping_model import FileSpec

OLIST = """
files:
  - pattern: "marketing_qualified_leads*.csv"
    kind: lead_created
    id: mql_id
    occurred_at: {column: first_contact_date, timezone: America/Sao_Paulo}
    contact: {email: "{mql_id}@olist.example"}
    properties: {source: origin, campaign: {constant: olist}}
  - pattern: "closed_deals*.csv"
    kind: deal_won
    id: mql_id
    occurred_at: {column: won_date, timezone: America/Sao_Paulo}
    contact: {email: "{mql_id}@olist.example"}
"""


def spec(**changes: object) -> FileSpec:
    base: dict[str, object] = {
        "pattern": "*.csv",
        "kind": "lead_created",
        "id": "id",
        "occurred_at": {"column": "at"},
        "contact": {"email": "email"},
        "properties": {"source": "origin"},
    }
    return FileSpec.model_validate(base | changes)


ROW = {"id": "7", "at": "2024-05-31T09:30:00Z", "email": "a@b.example", "origin": "ads"}


def test_the_real_leads_become_wire_events() -> None:
    mapping = parse_mapping(OLIST)
    found = spec_for(mapping, "marketing_qualified_leads.csv")
    assert found is not None
    row = {"mql_id": "dac3", "first_contact_date": "2018-02-01", "landing_page_id": "88", "origin": ""}
    assert to_event(row, found, "mql.csv:2").event == {
        "source": "files",
        "id": "lead_created:dac3",
        "kind": "lead_created",
        "occurred_at": "2018-02-01T02:00:00+00:00",
        "day_precision": True,
        "contact": {"email": "dac3@olist.example"},
        "properties": {"campaign": "olist"},
        "consent": {},
    }


def test_the_same_id_in_two_files_is_two_events() -> None:
    mapping = parse_mapping(OLIST)
    lead, deal = mapping.files
    row = {
        "mql_id": "5",
        "first_contact_date": "2018-02-01",
        "won_date": "2018-02-26 19:58:54",
        "origin": "x",
    }
    first, second = to_event(row, lead, "a:2").event, to_event(row, deal, "b:2").event
    assert first is not None
    assert second is not None
    assert first["id"] != second["id"]
    assert second["occurred_at"] == "2018-02-26T22:58:54+00:00"
    assert "day_precision" not in second


@pytest.mark.parametrize(
    ("when", "text", "expected"),
    [
        ({}, "2024-05-31", ("2024-05-31T00:00:00+00:00", True)),
        ({"timezone": "Europe/Berlin"}, "2024-05-31", ("2024-05-30T22:00:00+00:00", True)),
        ({"timezone": "Europe/Berlin"}, "2024-05-31T10:00:00+05:00", ("2024-05-31T05:00:00+00:00", False)),
        ({"format": "%d/%m/%Y"}, "31/05/2024", ("2024-05-31T00:00:00+00:00", True)),
        ({"format": "%d/%m/%Y %H:%M"}, "31/05/2024 09:30", ("2024-05-31T09:30:00+00:00", False)),
        ({"format": "epoch"}, "1717147800", ("2024-05-31T09:30:00+00:00", False)),
        ({"format": "epoch_ms"}, "1717147800000", ("2024-05-31T09:30:00+00:00", False)),
    ],
)
def test_dates_are_read_in_the_specs_zone(
    when: dict[str, str], text: str, expected: tuple[str, bool]
) -> None:
    event = to_event(ROW | {"at": text}, spec(occurred_at={"column": "at", **when}), "f:2").event
    assert event is not None
    assert (event["occurred_at"], event.get("day_precision", False)) == expected


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"at": "31.05.2024"}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"at": "2024-13-01"}, "at"),
        ({"at": ""}, "at"),
        ({"id": "  "}, "id"),
    ],
)
def test_a_row_that_is_no_event_names_the_column_and_no_value(changes: dict[str, str], column: str) -> None:
    found = to_event(ROW | changes, spec(), "f.csv:41")
    assert found.event is None
    assert column_of(found.error) == column
    assert found.where == "f.csv:41"
    assert "31.05" not in (found.error or "")


def test_epoch_overflow_is_a_row_error_not_a_crash() -> None:
    for text in ("1e400", "nan", "9" * 30, "x"):
        found = to_event(ROW | {"at": text}, spec(occurred_at={"column": "at", "format": "epoch"}), "f:2")
        assert found.error


def test_blanks_are_absent() -> None:
    event = to_event(ROW | {"origin": "n/a", "email": "-"}, spec(blanks=["", "n/a", "-"]), "f:2").event
    assert event is not None
    assert event["properties"] == {}
    assert event["contact"] == {}


def test_the_kind_may_come_from_a_column() -> None:
    by_stage = {"column": "stage", "map": {"Won": "deal_won", "lost": "deal_lost"}}
    won = to_event(ROW | {"stage": " WON "}, spec(kind=by_stage), "f:2").event
    assert won is not None
    assert won["kind"] == "deal_won"
    assert column_of(to_event(ROW | {"stage": "open"}, spec(kind=by_stage), "f:2").error) == "stage"
    skipped = to_event(ROW | {"stage": "open"}, spec(kind=by_stage | {"otherwise": "skip"}), "f:2")
    assert (skipped.event, skipped.error) == (None, None)


def test_without_an_id_column_the_row_and_its_line_are_the_id() -> None:
    first = to_event(ROW, spec(id=[]), "f.csv:2")
    again = to_event(ROW, spec(id=[]), "f.csv:2")
    other_line = to_event(ROW, spec(id=[]), "f.csv:3")
    assert first == again
    assert first.event is not None
    assert other_line.event is not None
    assert first.event["id"] != other_line.event["id"]


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_ids_of_several_columns_never_collide(a: str, b: str, c: str, d: str) -> None:
    rows = [ROW | {"x": a, "y": b}, ROW | {"x": c, "y": d}]
    events = [to_event(row, spec(id=["x", "y"]), "f:2").event for row in rows]
    if events[0] is not None and events[1] is not None:
        same = (a.strip(), b.strip()) == (c.strip(), d.strip())
        assert (events[0]["id"] == events[1]["id"]) == same


def test_a_company_size_becomes_a_number_and_flags_become_booleans() -> None:
    with_size = spec(
        contact={"email": "email", "company_size": "size"}, properties={"test": "test", "spam": "spam"}
    )
    event = to_event(ROW | {"size": "51-200", "test": "TRUE", "spam": "no"}, with_size, "f:2").event
    assert event is not None
    assert event["contact"]["company_size"] == 51
    assert event["properties"] == {"test": True, "spam": False}


def test_a_template_reads_columns_and_nothing_else() -> None:
    odd = spec(properties={"p": "{a.__class__} {0}"})
    event = to_event(ROW | {"a.__class__": "1", "0": "2"}, odd, "f:2").event
    assert event is not None
    assert event["properties"] == {"p": "1 2"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("files: []", "mapping.yaml:1: files: "),
        ("", "mapping.yaml:1: files: is missing"),
        ("files:\n  - pattern: a.csv\n    knd: x\n", "mapping.yaml:3: files[0].knd: unknown"),
        ("files:\n  - pattern: a.csv\n    kind: no_such\n", "mapping.yaml:3: files[0].kind: "),
        ("files:\n  - pattern: a.csv\n", "kind and occurred_at missing"),
        ("files:\n  - pattern: a.csv\n    contact: {mail: x}\n", "mapping.yaml:3: files[0].contact.mail"),
        ("files:\n  - pattern: [\n", "not valid YAML"),
        ("files:\n  - pattern: a\n    pattern: b\n", "mapping.yaml:3: files[0].pattern: duplicate key"),
        (OLIST.replace("America/Sao_Paulo}", "Brasil}", 1), "mapping.yaml:6: files[0].occurred_at.timezone"),
        (OLIST.replace("id: mql_id", "id: mql_id\n    encoding: utf-16", 1), "save the file as utf-8"),
        (OLIST.replace("id: mql_id", "id: mql_id\n    delimiter: ';;'", 1), "delimiter: one character"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_told_with_file_line_and_field(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_mapping(text)
    assert said in str(caught.value)


def test_the_default_mapping_takes_leads_and_wire_events() -> None:
    mapping = default_mapping()
    leads, events = spec_for(mapping, "leads-2024.csv"), spec_for(mapping, "events.jsonl")
    assert leads is not None
    assert events is not None
    assert events.format_of("events.jsonl") == "events"
    assert spec_for(mapping, "writebacks.jsonl") is None
