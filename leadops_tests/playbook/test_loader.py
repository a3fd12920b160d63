from __future__ import annotations

import json
from pathlib import Path

import pytest

from leadops.errors import UsageError
from leadops.playbook import loader
from leadops_tests.playbook.folders import DEFAULT, Folder


def problems(folder: Folder) -> list[str]:
    with pytest.raises(loader.PlaybookError) as caught:
        loader.load(folder.path)
    assert isinstance(caught.value, UsageError)
    assert caught.value.code == "playbook_invalid"
    return str(caught.value).splitlines()


def only_problem(folder: Folder) -> str:
    found = problems(folder)
    assert len(found) == 1, found
    return found[0]


def test_a_good_playbook_loads_with_its_templates(folder: Folder) -> None:
    loaded = loader.load(folder.path)
    assert loaded.path == folder.path
    assert {s.template for s in loaded.playbook.sequences["hot"].steps} <= set(loaded.templates)
    assert all(t.name == name for name, t in loaded.templates.items())


def test_the_digest_covers_every_byte_read(folder: Folder) -> None:
    before = loader.load(folder.path)
    assert loader.load(folder.path).digest == before.digest
    folder.change("No slides.", "No slides!", folder.template("hot_1_direct"))
    after = loader.load(folder.path)
    assert after.digest != before.digest
    changed = [n for n in after.templates if after.templates[n].version != before.templates[n].version]
    assert changed == ["hot_1_direct"]
    folder.path.write_text(folder.path.read_text() + "# a comment\n")
    assert loader.load(folder.path).digest != after.digest


def test_wrong_type_is_told_with_file_line_field_and_advice(folder: Folder) -> None:
    line = folder.change("      - day: 2\n", "      - day: soon\n")
    assert only_problem(folder) == (
        f"playbook/playbook.yaml:{line}: sequences.hot.steps[1].day: Input should be a valid number, "
        "unable to parse string as a number (write a number)"
    )


def test_unknown_field_suggests_the_near_one(folder: Folder) -> None:
    line = folder.change("  cooldown_days: 90", "  cooldwn_days: 90")
    assert only_problem(folder) == (
        f"playbook/playbook.yaml:{line}: enrolment.cooldwn_days: unknown field (did you mean cooldown_days?)"
    )


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        ("version: 1\n", "version: 1\nversion: 1\n", "version", "duplicate key"),
        ("home_country: US", "home_country: usa", "home_country", "two capital letters"),
        ('    end: "17:00"', '    end: "08:00"', "windows.nurture", "end must be after start"),
        ('    end: "17:00"', "    end: 17", "windows.nurture.end", "HH:MM"),
        ('    end: "17:00"', "    end: 17:00Z", "windows.nurture.end", "HH:MM"),
        ("America/New_York\nhome", "Mars/Base\nhome", "fallback_timezone", "IANA"),
        (
            "      field: title",
            "      field: job",
            "scorecard.signals[1].field",
            "unknown scoring input 'job'",
        ),
        ("      max_points: 25", "      max_points: 20", "scorecard.signals[3]", "more than max_points"),
        ("  warm: 35", "  warm: 65", "scorecard", "0 < warm < hot"),
        ("    window: nurture", "    window: nuture", "sequences.cold.window", "unknown window 'nuture'"),
        (
            "first_touch_window: anytime",
            "first_touch_window: ever",
            "sequences.hot.first_touch_window",
            "ever",
        ),
        ("{direct: 50, question: 50}", "{direct: 50}", "sequences.hot", "unknown variants: question"),
        ("template: hot_2", "template: hot_two", "sequences.hot.steps[1].template", "templates/hot_two.md"),
        ("{question: hot_1_question}", "{question: nix}", "sequences.hot.steps[0].templates.question", "nix"),
        ("address: mara@mail", "address: mara at mail", "sender.mailboxes[0].address", "plain e-mail"),
        ("    {{mailbox_name}}", "    {{name}}", "sender", "{{mailbox_name}}"),
        ("  unsubscribe_mailto: unsubscribe@", "  unsubscribe_mailto: stop@", "sender", "opt_out must name"),
        ("backoff_seconds: 60\n", "backoff_seconds: .inf\n", "delivery.backoff_seconds", "number"),
        ("  sla_minutes: 30\n", "  sla_minutes:\n", "handoff.sla_minutes", "number"),
        ("  hot: 60", "  hot: 1e999", "scorecard.hot", "finite"),
    ],
)
def test_each_kind_of_mistake_has_its_line(
    folder: Folder, old: str, new: str, where: str, words: str
) -> None:
    folder.change(old, new)
    found = only_problem(folder)
    at = f": {where}: "
    assert at in found, found
    assert words in found
    key = where.rsplit(".", 1)[-1].partition("[")[0]
    line = int(found.split(":")[1])
    text = folder.path.read_text().splitlines()[line - 1]
    assert key in text or text.lstrip().startswith("- "), (found, text)


def test_a_missing_field_is_told_at_what_it_is_missing_from(folder: Folder) -> None:
    line = folder.change("  reply_domain: reply.northwind.example\n", "")
    found = only_problem(folder)
    assert ": sender.reply_domain: Field required (add it)" in found
    assert int(found.split(":")[1]) < line


def test_norway_is_a_country_and_not_a_boolean(folder: Folder) -> None:
    folder.change("home_country: US", "home_country: NO")
    assert loader.load(folder.path).playbook.home_country == "NO"


def test_an_unquoted_time_is_a_time(folder: Folder) -> None:
    folder.change('    end: "17:00"', "    end: 17:30")
    end = loader.load(folder.path).playbook.windows["nurture"].end
    assert end is not None
    assert (end.hour, end.minute) == (17, 30)


def test_yaml_syntax_error_has_its_line_and_template_problems_are_told_with_it(folder: Folder) -> None:
    line = folder.change("windows:\n", "windows: [\n")
    folder.template("warm_2").write_text("no front matter\n")
    found = problems(folder)
    assert "not valid YAML" in found[0]
    assert int(found[0].split(":")[1]) >= line
    assert found[1].startswith("playbook/templates/warm_2.md:1: front matter missing")


def test_everything_wrong_is_told_at_once(folder: Folder) -> None:
    folder.change("      - day: 2\n", "      - day: soon\n")
    folder.change("  sla_minutes: 30", "  sla_minutes: -1")
    folder.change("    window: nurture", "    window: nuture")
    folder.change("template: hot_3", "template: hot_9")
    folder.change("      field: title", "      field: job")
    folder.change("company: Northwind Analytics", "company: Northwind Analytics\ncompany: Twice")
    folder.change("{{first_name}}", "{{nobody}}", folder.template("warm_2"))
    found = problems(folder)
    for words in ("steps[1].day", "sla_minutes", "nuture", "hot_9", "'job'", "duplicate key", "slot nobody"):
        assert sum(words in line for line in found) == 1, (words, found)
    files_and_lines = [(line.split(":")[0].endswith(".md"), int(line.split(":")[1])) for line in found]
    assert files_and_lines == sorted(files_and_lines)


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n", "1\n"])
def test_a_file_that_is_no_mapping_is_told(folder: Folder, text: str) -> None:
    folder.path.write_text(text)
    assert problems(folder)[0].startswith("playbook/playbook.yaml:1: ")


def test_bytes_that_are_not_utf8_have_their_line(folder: Folder) -> None:
    folder.path.write_bytes(b"version: 1\ncompany: M\xfcller\n")
    assert "playbook.yaml:2: not UTF-8" in only_problem(folder)


def test_windows_line_ends_and_a_byte_order_mark_are_fine(folder: Folder) -> None:
    before = loader.load(folder.path)
    for file in (folder.path, folder.template("hot_1_direct")):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    after = loader.load(folder.path)
    assert after.playbook == before.playbook
    assert after.templates["hot_1_direct"].body == before.templates["hot_1_direct"].body


def test_no_such_file_is_its_own_code(tmp_path: Path) -> None:
    with pytest.raises(loader.PlaybookError) as caught:
        loader.load(tmp_path / "none.yaml")
    assert caught.value.code == "playbook_not_found"


def test_no_template_folder_names_every_template(tmp_path: Path) -> None:
    (tmp_path / "playbook.yaml").write_bytes(DEFAULT.read_bytes())
    with pytest.raises(loader.PlaybookError) as caught:
        loader.load(tmp_path / "playbook.yaml")
    assert all("no template" in str(p) for p in caught.value.problems)
    assert len(caught.value.problems) == 14


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("---\nsubject", "subject", 1, "front matter missing"),
        ("}\n---\nHi", "}\nHi", 1, "front matter is not closed"),
        ("contact.first_name", "contact.shoe_size", 4, "unknown evidence path 'contact.shoe_size'"),
        ("neutral: there", "neutral: 3", 4, "quotes"),
        ("neutral: there", "neutral: ''", 4, "slots.first_name.neutral"),
        ("neutral: there", "neutral: '{{company}}'", 4, "without braces"),
        ("max_length: 30", "max_length: 3000", 4, "smaller number"),
        ("max_length: 30", "maxlength: 30", 4, "did you mean max_length?"),
        ('subject: ""', "subject: ''\nbody: x", 3, "not a field of the front matter"),
        ('subject: ""', "subject: ''\nname: other", 3, "differs from the file's name"),
        ('subject: ""', "subject: ''\nsubject: ''", 3, "duplicate key"),
        ('subject: ""', "subject: [", 4, "begun on line 2"),
        ('subject: ""', "subject: Something of its own", None, "follow-up but has a subject"),
        ("Hi {{first_name}},", "Hi {{first name}},", None, "a brace that is no slot"),
        ("crowd your", "crowd {your}", 8, "a brace that is no slot"),
        ("crowd your", "crowd\u202eyour", 8, "an invisible character"),
        ("crowd your", "crowd {{company}}", 8, "slot company: used in the body but not declared"),
        ("Hi {{first_name}},", "Hi,", 4, "slots.first_name: declared but not used"),
    ],
)
def test_each_mistake_of_a_template_has_its_line(
    folder: Folder, old: str, new: str, line: int | None, words: str
) -> None:
    folder.change(old, new, folder.template("hot_3"))
    found = problems(folder)
    matching = [p for p in found if words in p]
    assert matching, found
    if line is not None:
        assert matching[0].startswith(f"playbook/templates/hot_3.md:{line}: "), found


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("Hello {{first_name}}", "a subject has no slots"),
        ("'Re: your call'", "must not look like a reply"),
        ('"two\\nlines"', "one line"),
        ("''", "has no subject"),
        ("12", "quotes"),
    ],
)
def test_a_first_subject_is_plain_and_honest(folder: Folder, subject: str, words: str) -> None:
    folder.change("A short call about your reporting", subject, folder.template("hot_1_direct"))
    assert any(words in p for p in problems(folder))


CASES = """case_studies:
  retail: A retail team replaced its weekly spreadsheet pack with one shared dashboard.
  software: A software company lets its product managers answer usage questions themselves.
  logistics: A logistics firm sees late deliveries the same morning instead of in the monthly report.
"""


@pytest.mark.parametrize("instead", ["case_studies: {}\n", ""])
def test_a_choice_from_an_empty_list_has_its_line(folder: Folder, instead: str) -> None:
    folder.change(CASES, instead)
    assert only_problem(folder) == (
        "playbook/templates/warm_3.md:7: slots.example: chooses from case_studies, which is empty "
        "(add entries under case_studies in the playbook, or delete the slot)"
    )


def test_an_entry_too_long_for_a_slot_has_the_slots_line(folder: Folder) -> None:
    folder.change("max_length: 120", "max_length: 80", folder.template("warm_3"))
    assert only_problem(folder) == (
        "playbook/templates/warm_3.md:7: slots.example: case_studies.logistics has 88 characters, more than "
        "max_length 80 (write max_length: 88, or shorten the entry)"
    )


def test_a_choice_needs_something_to_choose_by(folder: Folder) -> None:
    folder.template("warm_3").write_text(
        "---\nsubject: ''\nslots:\n  first_name: {evidence: contact.first_name, neutral: there}\n"
        "  example: {choose: case_studies, neutral: Well., max_length: 200}\n---\n"
        "Hi {{first_name}}. {{example}}\n"
    )
    found = only_problem(folder)
    assert found.startswith("playbook/templates/warm_3.md:5: slots.example: has nothing to choose by")


@pytest.mark.parametrize(
    "entry", ["''", "'two {{first_name}} reports'", '"two\\nlines"', "' space before'", '"zero\\u200bwidth"']
)
def test_an_entry_of_a_list_is_one_line_that_can_stand_in_a_mail(folder: Folder, entry: str) -> None:
    line = folder.change("  trust: two reports that disagree on the same number\n", f"  trust: {entry}\n")
    found = only_problem(folder)
    assert found.startswith(f"playbook/playbook.yaml:{line}: pain_points.trust: an entry is one line of text")


def test_an_entry_that_is_no_text_is_told_once(folder: Folder) -> None:
    line = folder.change("  trust: two reports that disagree on the same number\n", "  trust: 7\n")
    assert only_problem(folder).startswith(f"playbook/playbook.yaml:{line}: pain_points.trust: ")


def test_an_empty_body_is_told(folder: Folder) -> None:
    folder.template("hot_3").write_text("---\nsubject: ''\n---\n\n")
    assert "hot_3.md" in only_problem(folder)


def test_a_task_for_a_rep_needs_a_title_and_may_follow_mail(folder: Folder) -> None:
    folder.change("      - day: 5\n", "      - day: 5\n        channel: rep_task\n")
    assert "begins a thread or a task but has no subject" in only_problem(folder)
    folder.change('subject: ""', "subject: Call them", folder.template("hot_3"))
    loader.load(folder.path)


def test_a_template_nobody_names_is_allowed_and_told(folder: Folder) -> None:
    folder.template("spare").write_text("---\nsubject: Spare\n---\nHello\n")
    assert loader.load(folder.path).unused_templates == ("spare",)


def test_the_committed_schema_is_the_schema() -> None:
    committed = json.loads((DEFAULT.parent / loader.SCHEMA_FILE).read_text(encoding="utf-8"))
    assert committed == loader.schema(), "run `leadops playbook schema --out playbook/playbook.schema.json`"
    assert DEFAULT.read_text(encoding="utf-8").startswith(
        f"# yaml-language-server: $schema={loader.SCHEMA_FILE}\n"
    )
