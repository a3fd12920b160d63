"""``.env.example`` is kept true: every setting stands in it, and nothing else."""

from __future__ import annotations

import re

from leadops.settings import PROJECT_ROOT, Settings


def test_every_setting_is_in_the_example_and_nothing_else() -> None:
    text = (PROJECT_ROOT / ".env.example").read_text()
    named = set(re.findall(r"^# LEADOPS_([A-Z_]+)=", text, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_defaults_shown_are_the_defaults() -> None:
    text = (PROJECT_ROOT / ".env.example").read_text()
    for name, shown in re.findall(r"^# LEADOPS_([A-Z_]+)=(.+)$", text, re.MULTILINE):
        default = Settings.model_fields[name.lower()].default
        if default is None:
            continue
        if isinstance(default, bool | int | float | str):
            assert str(default).lower() == shown.lower() or float(default) == float(shown), name
