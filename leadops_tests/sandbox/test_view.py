"""The page a person looks at: everything is there, and nothing of it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from leadops.sandbox.frame import Answer, Fault
from leadops.sandbox.sendgrid import SendGridSandbox
from leadops_tests.sandbox.sendgrid.asks import KEY, NOON, message
from leadops_tests.sandbox.serving import Echo, clock, served

EVIL = "<script>document.title='owned';window.owned=1</script><img src=x onerror=\"window.owned=1\">"


class Crm(Echo):
    name = "hubspot"

    def summary(self) -> list[tuple[str, ...]]:
        return [("note", "Acme", "Called back\nwants a demo"), ("task", EVIL)]


def outside() -> tuple[Crm, SendGridSandbox]:
    return Crm(), SendGridSandbox(clock, KEY)


def send(url: str, **changes: Any) -> int:
    headers = {"Authorization": f"Bearer {KEY}"}
    return httpx.post(f"{url}/sendgrid/v3/mail/send", json=message(**changes), headers=headers).status_code


def test_the_page_shows_mails_requests_problems_faults_and_latency() -> None:
    crm, mail = outside()
    with served(crm, mail) as url:
        send(url, subject="The first")
        send(url, subject="The second")
        send(url, subject="")
        httpx.get(f"{url}/hubspot/odd")
        crm.faults.append(Fault("status", 429, method="POST", path="/crm", times=3))
        crm.latency_s = (0.0, 0.2)
        answer = httpx.get(url)
    page = answer.text
    assert page.index("The second") < page.index("The first")
    for shown in (
        "Sam Seller", "sam@seller.example", "anna@acme.example", "Hello Anna, see", "2 accepted",
        "path: odd", "The subject of your email must be", "status 429 for POST /crm, 3 more", "0 to 0.2 s",
        "wants a demo", "/v3/mail/send",
    ):  # fmt: skip
        assert shown in page, shown
    assert answer.headers["cache-control"] == "no-store"
    assert "http://" not in page.split("<main")[0]
    assert "https://" not in page.split("<main")[0]


def test_one_provider_alone() -> None:
    crm, mail = outside()
    with served(crm, mail) as url:
        send(url, subject="Only mail")
        httpx.get(f"{url}/hubspot/only-crm")
        one = httpx.get(url, params={"provider": "hubspot"}).text
        other = httpx.get(url, params={"provider": "sendgrid"}).text
        unknown = httpx.get(url, params={"provider": EVIL}).text
    assert "only-crm" in one
    assert "Only mail" not in one
    assert "Only mail" in other
    assert "only-crm" not in other
    assert "Only mail" in unknown
    assert EVIL not in unknown


def test_everything_is_escaped() -> None:
    crm, mail = outside()
    evil = {"to": [{"email": "anna@acme.example", "name": EVIL}], "custom_args": {"leadops_touch_id": EVIL}}
    with served(crm, mail) as url:
        content = [{"type": "text/plain", "value": EVIL}]
        assert send(url, subject=EVIL, one=evil, content=content, headers={"X-A": EVIL}) == 202
        assert send(url, content=[{"type": "text/html", "value": EVIL}]) == 202
        httpx.post(f"{url}/hubspot/{EVIL}", content=EVIL.encode())
        page = httpx.get(url).text
    assert "<script>document" not in page
    assert "<img" not in page
    assert page.count("<script") == 1
    assert "&lt;script&gt;document" in page


def test_a_page_of_thousands_of_requests_stays_small() -> None:
    crm, mail = outside()
    for n in range(3000):
        crm.note(crm_ask(n), Answer.of(200, {"n": "x" * 50_000}))
    with served(crm, mail) as url:
        answer = httpx.get(url)
    assert "3,000" in answer.text
    assert len(answer.content) < 700_000


def crm_ask(n: int) -> Any:
    from leadops.sandbox.frame import Ask

    return Ask("GET", f"/{n}", {})


@pytest.fixture
def browser_page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1500, "height": 950})
    yield page
    page.close()


@pytest.mark.browser
def test_a_message_with_a_script_in_it_is_inert_in_a_browser(browser_page: Page) -> None:
    crm, mail = outside()
    broken: list[str] = []
    browser_page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
    browser_page.on("pageerror", lambda error: broken.append(str(error)))
    with served(crm, mail) as url:
        send(url, subject=EVIL, content=[{"type": "text/plain", "value": EVIL}])
        httpx.post(f"{url}/hubspot/{EVIL}", content=EVIL.encode())
        browser_page.goto(url)
        assert browser_page.locator(".mail .text").inner_text() == EVIL
        assert browser_page.locator(".mail .subject").inner_text() == EVIL
        # Even what is put into the page as markup may not run: the policy allows one script only.
        browser_page.evaluate(
            "text => document.body.append(Object.assign(document.createElement('div'), {innerHTML: text}))",
            '<img src="data:image/png;base64,x" onerror="window.owned=1">',
        )
        send(url, subject="Another")
        browser_page.get_by_text("Another").first.wait_for(timeout=15_000)
        assert browser_page.evaluate("window.owned") is None
        assert browser_page.title().startswith("Sandbox")
    assert [text for text in broken if "Content Security Policy" not in text and "ERR_" not in text] == []


@pytest.mark.browser
def test_the_page_follows_what_happens_and_keeps_what_a_reader_opened(browser_page: Page) -> None:
    crm, mail = outside()
    with served(crm, mail) as url:
        httpx.post(f"{url}/hubspot/first", content=b"the body asked")
        browser_page.goto(f"{url}/?provider=hubspot")
        browser_page.locator("summary", has_text="/first").click()
        assert browser_page.get_by_text("the body asked").first.is_visible()
        mail.mailroom.on_mail = None
        httpx.post(f"{url}/hubspot/second")
        browser_page.locator("summary", has_text="/second").wait_for(timeout=15_000)
        rows = browser_page.locator("details.exchange summary code").all_inner_texts()
        assert rows == ["POST /second", "POST /first"]
        assert browser_page.get_by_text("the body asked").first.is_visible()
        browser_page.get_by_role("link", name="SendGrid").click()
        browser_page.get_by_text("No message has been sent yet.").wait_for()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_screen_and_both_schemes(browser_page: Page, scheme: str) -> None:
    crm, mail = outside()
    with served(crm, mail) as url:
        assert (
            send(url, subject="A subject " * 30, content=[{"type": "text/plain", "value": "word" * 300}])
            == 202
        )
        mail.mailroom.event(mail.mailroom.accepted[0], "bounce", NOON)
        browser_page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        browser_page.set_viewport_size({"width": 390, "height": 800})
        browser_page.goto(url)
        assert browser_page.evaluate("document.documentElement.scrollWidth") <= 390
        background = browser_page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(245, 246, 248)", "dark": "rgb(16, 19, 26)"}[scheme]
