"""The pictures in ``docs/images``, from a running demo: ``make screenshots`` while ``make demo`` runs.

Needs Chromium (Debian: ``apt-get install chromium``; elsewhere say where it is with CHROMIUM).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page, sync_playwright

from leadops_tests import browser

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
GROUPS = ("ingest", "leads", "scoring", "outreach", "crm")
# The community box would stand in front of everything.
INIT = """
localStorage.setItem('communityNux', '"1"');
localStorage.setItem('large-screen-nav-open', 'false');
"""


def pages(base: str, dashboard: str, sandbox: str) -> dict[str, tuple[str, tuple[int, int]]]:
    """picture -> (address, viewport)."""
    expanded = quote(",".join(f"global@global:{g}" for g in GROUPS))
    chosen = quote(" or ".join(f'group:"{g}"' for g in GROUPS))
    return {
        "lineage": (f"{base}/asset-groups?expanded={expanded}&asset-selection={chosen}", (2300, 1150)),
        "asset-dispatches": (f"{base}/assets/dispatches?view=events", (1500, 1100)),
        "asset-lead-scores": (f"{base}/assets/lead_scores?view=events", (1500, 1100)),
        "metrics-by-tier": (f"{base}/assets/conversion_by_tier?view=events", (1500, 1100)),
        "metrics-cube": (f"{base}/assets/conversion_cube?view=events", (1500, 1100)),
        "asset-drafts": (f"{base}/assets/message_drafts?view=events", (1500, 1100)),
        "runs": (f"{base}/runs", (1500, 800)),
        "dashboard-overview": (f"{dashboard}/?view=overview", (1400, 1000)),
        "dashboard-conversion": (f"{dashboard}/?view=conversion", (1400, 1000)),
        "dashboard-speed": (f"{dashboard}/?view=speed", (1400, 1000)),
        "dashboard-handoffs": (f"{dashboard}/?view=handoffs", (1400, 800)),
        "sandbox": (sandbox, (1400, 1000)),
    }


def take(page: Page, address: str, viewport: tuple[int, int], to: Path) -> None:
    """One picture, once the page has stopped asking."""
    page.set_viewport_size({"width": viewport[0], "height": viewport[1]})
    page.goto(address)
    page.wait_for_load_state("load")
    page.wait_for_timeout(7000)
    page.screenshot(path=to)
    print(to)  # noqa: T201


def _at(server: str, port: int) -> str:
    return f"http://127.0.0.1:{os.environ.get(f'LEADOPS_{server}_PORT', port)}"


def main() -> int:
    """Take every picture, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default=_at("WEBSERVER", 3000))
    parser.add_argument("--dashboard", default=_at("DASHBOARD", 8501))
    parser.add_argument("--sandbox", default=_at("SANDBOX", 8480))
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    browser_path = browser.chromium()
    if browser_path is None:
        print(browser.MISSING, file=sys.stderr)  # noqa: T201
        return 2
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=browser_path, args=browser.FLAGS)
        context = started.new_context()
        context.add_init_script(INIT)
        page = context.new_page()
        for name, (address, viewport) in pages(given.base, given.dashboard, given.sandbox).items():
            if not given.names or name in given.names:
                take(page, address, viewport, IMAGES / f"{name}.png")
        started.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
