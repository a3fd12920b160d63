"""The seeded page as a real process, and a browser that notes everything it asks for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from pydantic import SecretStr

from leadops.dashboard.serve import ADDRESS, HEALTH
from leadops.metrics.project import PROJECT_DIR, dbt_environment, dbt_executable
from leadops.metrics.read import opened, read_table
from leadops.runtime.databases import databases_of
from leadops.runtime.ports import free_port
from leadops.settings import PROJECT_ROOT, Settings
from leadops.store.engine import open_engine
from leadops_tests import postgres_server
from leadops_tests.dashboard.seeded import SECRET, seed
from leadops_tests.running import environment, eventually

CELLS = """table => [...document.querySelectorAll(`table[data-table=${table}] tbody tr`)].map(row => ({
    row: row.dataset.row, overdue: row.dataset.overdue,
    cells: Object.fromEntries(
        [...row.querySelectorAll('td[data-cell]')].map(c => [c.dataset.cell, c.innerText])),
    text: row.innerText}))"""


@dataclass
class Served:
    """The page's process, its database and everything it wrote."""

    base: str
    url: str
    output: Path

    def said(self) -> str:
        return self.output.read_text("utf-8", errors="replace")

    def metric(self, table: str) -> list[dict[str, Any]]:
        with opened(self.url) as connection:
            found = read_table(connection, table)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


@pytest.fixture(scope="session")
def served(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("page")
    with postgres_server.fresh_database(postgres_url) as url:
        engine = open_engine(url)
        seed(engine, folder)
        engine.dispose()
        port = free_port()
        env = environment(
            folder / "home", LEADOPS_DATABASE_URL=url, LEADOPS_DAGSTER_URL=url, LEADOPS_SECRET_KEY=SECRET
        )
        found = Served(f"http://{ADDRESS}:{port}", url, folder / "page.log")
        command = [sys.executable, "-m", "leadops.cli.dashboard", "--port", str(port)]
        with found.output.open("wb") as stream:
            process = subprocess.Popen(
                command, env=env, cwd=PROJECT_ROOT, stdout=stream, stderr=subprocess.STDOUT
            )
        try:
            _build(url, folder)
            eventually(lambda: _healthy(found.base) or process.poll() is not None, "the page is up", 60, 0.1)
            assert process.poll() is None, found.said()
            yield found
        finally:
            process.terminate()
            process.wait(20)


def _build(url: str, folder: Path) -> None:
    """The metric tables, without dbt's own tests of them: those have their place beside this one."""
    config = Settings(database_url=SecretStr(url), dagster_url=SecretStr(url), home=folder / "home")
    target = folder / "dbt"
    target.mkdir()
    subprocess.run(
        [str(dbt_executable()), "--no-version-check", "run", "--quiet"],
        cwd=PROJECT_DIR,
        env=dbt_environment(target, databases_of(config).metrics_env),
        check=True,
    )


def _healthy(base: str) -> bool:
    try:
        return httpx.get(f"{base}{HEALTH}", trust_env=False, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class Reader:
    """A browser on the page. ``outside``: requests to anywhere else; ``dialogs``: what scripts popped up."""

    page: Page
    served: Served
    outside: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def open(self, query: str, wait: str) -> Page:
        self.page.goto(f"{self.served.base}/?{query}")
        self.page.wait_for_selector(wait, timeout=30_000)
        return self.page

    def table(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate(CELLS, name)
        return found

    def cards(self) -> dict[str, str]:
        script = "() => [...document.querySelectorAll('[data-card]')].map(c => [c.dataset.card, c.innerText])"
        return dict(self.page.evaluate(script))

    def text(self) -> str:
        return self.page.inner_text("[data-testid=stMain]")


@pytest.fixture(scope="session")
def browser_context(chromium: Browser) -> BrowserContext:
    return chromium.new_context(viewport={"width": 1400, "height": 1000}, timezone_id="Europe/Berlin")


@pytest.fixture
def reader(browser_context: BrowserContext, served: Served) -> Iterator[Reader]:
    page = browser_context.new_page()
    found = Reader(page, served)
    page.on("request", lambda r: found.outside.append(r.url) if _is_outside(r.url, served.base) else None)
    page.on("dialog", lambda d: (found.dialogs.append(d.message), d.dismiss()))
    yield found
    page.close()
    assert found.outside == []
    assert found.dialogs == []


def _is_outside(url: str, base: str) -> bool:
    return not url.startswith((base, base.replace("http", "ws", 1), "data:", "blob:"))
