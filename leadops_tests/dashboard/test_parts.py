"""The page without a browser: it cannot write, it says what is missing, its small words are right."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from leadops.dashboard import markup as m
from leadops.dashboard.database import STATEMENT_TIMEOUT_MS, open_reader
from leadops.dashboard.moments import Clock, is_zone, span, zones
from leadops.dashboard.serve import APP, dashboard_command
from leadops.settings import settings
from leadops.store.engine import StoreError, transaction

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WRITES = (
    "insert into suppressions values ('email:x', 'address', 'test', 'me', '2026-01-01T00:00:00Z')",
    "update leads set name = 'x'",
    "delete from touches",
    "create table mine (a int)",
    "drop table touches",
    "truncate handoffs",
)


@pytest.mark.parametrize("statement", WRITES)
def test_a_write_through_the_pages_connection_is_refused(database_url: str, statement: str) -> None:
    reader = open_reader(database_url)
    with pytest.raises(StoreError) as refused, transaction(reader) as connection:
        connection.execute(text(statement))
    assert refused.value.code == "db_25006"  # read_only_sql_transaction
    reader.dispose()


def test_every_connection_of_the_pool_has_a_timeout_and_keeps_what_the_url_said(database_url: str) -> None:
    given = "&" if "?" in database_url else "?"
    reader = open_reader(f"{database_url}{given}options=-c%20timezone%3DAsia/Tokyo")
    with reader.connect() as one, reader.connect() as two:
        for connection in (one, two):
            assert connection.execute(text("show statement_timeout")).scalar() == (
                f"{STATEMENT_TIMEOUT_MS // 1000}s"
            )
            assert connection.execute(text("show default_transaction_read_only")).scalar() == "on"
            assert connection.execute(text("show timezone")).scalar() == "Asia/Tokyo"
    reader.dispose()


@contextmanager
def settings_for(url: str, home: Path) -> Iterator[None]:
    """This process's page on a database: what is cached of another one is forgotten."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("DATABASE_URL", url),
            ("DAGSTER_URL", url),
            ("HOME", str(home)),
            ("SECRET_KEY", "k"),
        ):
            patch.setenv(f"LEADOPS_{name}", value)
        _forget()
        yield
    _forget()


def _forget() -> None:
    settings.cache_clear()
    st.cache_resource.clear()
    st.cache_data.clear()


def said(view: str, **parameters: str) -> str:
    """Everything the page says, tags and all."""
    app = AppTest.from_file(str(APP), default_timeout=30)
    app.query_params["view"] = view
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return "\n".join(element.proto.body for element in app.get("html"))


EMPTY = {
    "overview": "No lead came in during the last 24 hours",
    "conversion": "leadops metrics build",
    "speed": "leadops metrics build",
    "handoffs": "Nobody waits for a person",
    "review": "No message waits for a person",
    "lead": "Give an e-mail address",
}


def test_without_data_every_view_says_what_to_do(database_url: str, tmp_path: Path) -> None:
    with settings_for(database_url, tmp_path):
        for view, sentence in EMPTY.items():
            assert sentence in said(view), view
        assert "No lead fits “nobody@x.example”" in said("lead", lead="nobody@x.example")
        assert "No lead came in" in said("no-such-view", tz="Not/AZone")


def test_without_tables_the_page_names_the_command(empty_database_url: str, tmp_path: Path) -> None:
    with settings_for(empty_database_url, tmp_path):
        assert "leadops db upgrade" in said("overview")
        assert "leadops db upgrade" in said("handoffs")


def test_a_database_that_is_away_is_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with settings_for("postgresql://someone:hunter2@127.0.0.1:1/gone", tmp_path):
        for view in ("overview", "conversion", "speed", "handoffs", "review"):
            assert "The database does not answer" in said(view)
        assert "The database does not answer" in said("lead", lead="anna@acme.example")
    written = caplog.text + "".join(capfd.readouterr())
    assert "hunter2" not in written
    assert "anna@" not in written
    assert "Traceback" not in written


def test_the_command_keeps_the_page_on_this_machine_and_to_itself() -> None:
    command = dashboard_command(8501)
    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    for flag in (
        "--server.address=127.0.0.1",
        "--server.port=8501",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
        "--server.fileWatcherType=none",
        "--server.enableXsrfProtection=true",
        "--client.showErrorDetails=none",
    ):
        assert flag in command


def test_the_command_line_is_made_without_importing_the_page() -> None:
    script = (
        "import sys; import leadops.dashboard.serve; "
        "print([m for m in ('streamlit', 'altair', 'pandas', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (6.5, "6.5 s"),
        (59.0, "59 s"),
        (72.0, "1 min 12 s"),
        (600.0, "10 min"),
        (3600.0, "1 h"),
        (48709.0, "13 h 31 min"),
        (2 * 86400.0, "2 d"),
        (30 * 86400.0, "30 d"),
        (math.inf, "never"),
        (None, "–"),
    ],
)
def test_spans(seconds: float | None, words: str) -> None:
    assert span(seconds) == words


def test_times_are_the_readers() -> None:
    berlin = Clock(NOW, "Europe/Berlin")
    assert berlin.at(NOW) == "2026-11-22 13:00"
    assert berlin.said("planned for 2026-11-22 23:30 UTC, then") == "planned for 2026-11-23 00:30 CET, then"
    assert Clock(NOW).said("planned for 2026-11-22 23:30 UTC") == "planned for 2026-11-22 23:30 UTC"
    assert Clock(NOW).ago(NOW - timedelta(minutes=7, seconds=43)) == "7 min ago"
    assert Clock(NOW).ago(NOW + timedelta(hours=3)) == "in 3 h"
    assert is_zone("Europe/Berlin")
    assert not is_zone("../../etc/passwd")
    assert "UTC" not in zones()


def test_markup_escapes_everything_it_did_not_make() -> None:
    made = m.tag("td", "<b>&", m.chip('"x"'), title='a"b<c')
    assert "<b>" not in made
    assert "&lt;b&gt;&amp;" in made
    assert 'title="a&#34;b&lt;c"' in made
    assert "lo-chip" in made
    assert "javascript" not in m.link("x", {"view": "lead", "lead": "'\"><script>"}).split(">")[0]
    assert "<script>" not in m.link("x", {"lead": "'\"><script>"})
