"""Fixtures for every test: a real Postgres, started at the first test that wants one.

``LEADOPS_TEST_DATABASE_URL`` names a real server to use instead; its account may create databases.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings as hypothesis
from sqlalchemy import Engine

from leadops.store.engine import open_engine
from leadops_tests import browser, postgres_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The same examples on every run of `make test`; `make test-full` looks for new ones.
hypothesis.register_profile("steady", derandomize=True, deadline=None)
hypothesis.register_profile("search", deadline=None)
hypothesis.load_profile(os.environ.get("LEADOPS_HYPOTHESIS", "steady"))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        postgres_server.open_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        postgres_server.close_run()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the run's server, database ``postgres``."""
    url = postgres_server.server_url()
    yield url
    postgres_server.disconnect(url)


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """URL of a fresh migrated database."""
    with postgres_server.fresh_database(postgres_url) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """URL of a fresh database without tables."""
    with postgres_server.fresh_database(postgres_url, migrated=False) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The engine production uses, on ``database_url``; closed before the database is dropped."""
    made = open_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser per worker: a second one beside it would not start."""
    from playwright.sync_api import sync_playwright

    path = browser.chromium()
    if path is None:
        pytest.skip(browser.MISSING)
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=path, args=browser.FLAGS)
        yield made
        made.close()


_DEAR = (
    "scenarios/test_olist.py",
    "metrics/test_dbt_project.py",
    "defs/test_no_personal_data.py",
    "demo/test_past.py",
    "simulator/test_simulation.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares a dear module fixture runs on one worker, so that it is made once."""
    for item in items:
        name = item.nodeid.partition("::")[0]
        if name.endswith(_DEAR):
            group = getattr(item, "callspec", None)
            run = group.params.get("ran", "") if group is not None else ""
            item.add_marker(pytest.mark.xdist_group(f"{name}:{run}"))
