"""The page in a real browser, served by a real process, over a seeded Postgres."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import expect

from leadops.dashboard.moments import span
from leadops.dashboard.rates import METRICS
from leadops.dashboard.view_conversion import INSUFFICIENT
from leadops_tests.dashboard.conftest import Reader, Served
from leadops_tests.dashboard.seeded import EVIL, EVIL_COMPANY, EVIL_SOURCE, LONG

# One worker has the page and the browser, so that they are started once.
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("dashboard")]


def shown(row: dict[str, Any], metric: Any, cohort: str) -> str:
    """What the page must say of a rate: the table's number, or the word."""
    columns = metric.columns(cohort)
    enough = row[f"{columns.rate}_verdict"] == "enough"
    return f"{row[columns.rate]:.1%}" if enough else INSUFFICIENT


@pytest.mark.parametrize("cohort", ["all", "mature"])
def test_every_number_is_the_cubes_and_too_few_is_a_word(reader: Reader, cohort: str) -> None:
    reader.open(f"view=conversion&cohort={cohort}", "table[data-table=conversion]")
    cube = {f"{r['source']}|{r['tier']}|{r['variant']}": r for r in reader.served.metric("conversion_cube")}
    found = {r["row"]: r["cells"] for r in reader.table("conversion")}
    assert set(found) == set(cube)
    words = 0
    for key, row in cube.items():
        assert found[key]["leads"] == f"{row['leads']:,}"
        assert found[key]["leads_mature"] == f"{row['leads_mature']:,}"
        for metric in METRICS:
            said = found[key][metric.name].split("\n")
            assert said[0] == shown(row, metric, cohort), (key, metric.name)
            columns = metric.columns(cohort)
            if said[0] == INSUFFICIENT:
                words += 1
                assert "%" not in "".join(said)
            else:
                low, high = row[f"{columns.rate}_low"], row[f"{columns.rate}_high"]
                assert f"{low * 100:.1f}–{high * 100:.1f} %" in said[1]
            assert f"{row[columns.successes]:,} of {row[columns.n]:,}" in said[1]
    assert 0 < words < len(cube) * len(METRICS)


def test_headline_numbers_are_those_of_the_slice_that_was_chosen(reader: Reader) -> None:
    contact = {(r["slice"], r["slice_value"]): r for r in reader.served.metric("contact_rate")}
    reader.open("view=conversion", "[data-card=contact]")
    assert f"{contact['all', 'all']['contact_rate_mature']:.1%}" in reader.cards()["contact"]
    reader.open("view=conversion&source=webinar", "table[data-table=conversion]")
    assert f"{contact['source', 'webinar']['contact_rate_mature']:.1%}" in reader.cards()["contact"]
    assert {r["row"].split("|")[0] for r in reader.table("conversion")} == {"webinar"}
    # Two filters: no table holds that rate. Counts add up, rates do not, so none is made up.
    reader.open("view=conversion&source=webinar&tier=hot", "[data-card=contact]")
    cells = [
        r for r in reader.served.metric("conversion_cube") if (r["source"], r["tier"]) == ("webinar", "hot")
    ]
    counted = f"{sum(r['contacted_mature'] for r in cells)} of {sum(r['leads_mature'] for r in cells)}"
    assert counted in reader.cards()["contact"]
    assert "%" not in reader.cards()["contact"]


def test_a_filter_that_is_clicked_stands_in_the_address(reader: Reader) -> None:
    page = reader.open("view=overview", "[data-card=leads]")
    page.get_by_text("Conversion", exact=True).click()
    page.wait_for_selector("table[data-table=conversion]")
    page.get_by_text("Tier", exact=True).first.click()
    page.wait_for_selector("table[data-table=conversion] tr[data-row=hot]")
    assert "view=conversion" in page.url
    assert "rows=tier" in page.url
    by_tier = {r["slice_value"]: r for r in reader.served.metric("won_rate") if r["slice"] == "tier"}
    for row in reader.table("conversion"):
        assert row["cells"]["won"].startswith(shown(by_tier[row["row"]], METRICS[3], "all"))
    page.go_back()
    page.wait_for_selector("table[data-table=conversion] tr[data-row^=webinar]")


def test_speed_is_the_tables_and_never_sent_stays_apart(reader: Reader) -> None:
    reader.open("view=speed", "table[data-table=speed]")
    attempts = {r["slice_value"]: r for r in reader.served.metric("time_to_first_attempt")}
    for row in reader.table("speed"):
        expected = attempts[row["row"]]
        for name in ("ttfa_p50_s", "ttfa_p95_s", "ttfa_p95_not_held_s"):
            assert row["cells"][name] == span(expected[name]), (row["row"], name)
        for name in ("n_with_time", "n_never_sent", "n_held_by_policy"):
            assert row["cells"][name] == f"{expected[name]:,}"
        assert row["cells"]["ttfa_within_90s"] == f"{expected['ttfa_within_90s']:.1%}"
    assert str(attempts["all"]["n_never_sent"]) in reader.cards()["never"]


def test_the_overdue_handoff_stands_first_and_each_rep_sees_their_own(reader: Reader) -> None:
    reader.open("view=handoffs", "table[data-table=handoffs]")
    rows = reader.table("handoffs")
    assert len(rows) == 3
    assert [r["overdue"] for r in rows] == ["yes", "yes", "no"]
    assert "overdue" in rows[0]["text"]
    assert "Anna Schmidt" in rows[0]["text"]
    assert "Können wir am Dienstag" in rows[0]["cells"]["wrote"]
    reader.open("view=handoffs&rep=rep-nobody", "[role=status]")
    assert "Nobody waits for rep-nobody" in reader.text()


def test_what_waits_for_review_is_listed_with_its_words(reader: Reader) -> None:
    page = reader.open("view=review", "table[data-table=review]")
    (row,) = reader.table("review")
    assert row["row"].startswith("tch_")
    assert f"leadops review show {row['row']}" in row["text"]
    assert "Hana" in row["cells"]["message"]
    assert "mode is auto" in reader.text()
    page.locator("table[data-table=review] a").first.click()
    page.wait_for_selector("[data-timeline]")
    assert "it waits for a person to approve it" in reader.text()


def test_a_leads_name_leads_to_its_page(reader: Reader) -> None:
    page = reader.open("view=handoffs&tz=Asia%2FTokyo", "table[data-table=handoffs]")
    page.click("a:has-text('Anna Schmidt')")
    page.wait_for_selector("[data-page]")
    assert "lead=led_" in page.url
    assert "Asia" in page.url
    assert "JST" in reader.text()


def test_a_lead_found_by_address_shows_touches_score_and_words(reader: Reader) -> None:
    page = reader.open("view=lead", "[role=status]")
    page.get_by_label("Find a lead").fill("Anna@acme.example")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-timeline]")
    said = reader.text()
    assert "anna" not in page.url.lower()  # nobody's address in a browser's history
    assert "Anna Schmidt" in said
    assert page.inner_text("[data-reason=score]").startswith("Hot (")
    points = [r["cells"]["points"] for r in reader.table("score")]
    assert "25 of 25" in points
    assert page.locator("[data-entry=touch-sent]").count() == 1
    assert page.locator("[data-entry=touch-cancelled]").count() == 2
    assert "not sent because the lead replied" in said
    assert "Können wir am Dienstag um 14 Uhr telefonieren?" in said
    for words in ("by a human", "by a bot", "unknown whether human or bot"):
        assert words in said
    body = page.locator("[data-entry=touch-sent] .lo-quote")
    expect(body).to_be_hidden()
    page.click("[data-entry=touch-sent] summary:has-text('the words sent')")
    expect(body).to_contain_text("Anna")


def test_newest_or_oldest_first(reader: Reader) -> None:
    def kinds(query: str) -> list[str]:
        page = reader.open(f"view=lead&lead=anna@acme.example{query}", "[data-timeline]")
        return list(page.eval_on_selector_all("[data-entry]", "all => all.map(e => e.dataset.entry)"))

    newest = kinds("")
    assert newest.index("reply_received") < newest.index("demo_requested")
    assert kinds("&order=oldest") == newest[::-1]


def test_what_people_write_is_text_and_nothing_else(reader: Reader) -> None:
    for query, wait in (
        ("view=overview", "table[data-table=latest]"),
        ("view=conversion", "table[data-table=conversion]"),
        ("view=speed", "table[data-table=speed]"),
        ("view=handoffs", "table[data-table=handoffs]"),
        ("view=review", "table[data-table=review]"),
        ("view=lead&lead=evil@evil.example", "[data-timeline]"),
    ):
        page = reader.open(query, wait)
        said = reader.text()
        if "conversion" in query:
            assert EVIL_SOURCE in said
        elif "speed" not in query:
            assert EVIL in said
            assert EVIL_COMPANY in said
        assert page.locator("a[href*='evil.example']").count() == 0
        assert page.locator("img[src*='evil.example']").count() == 0
        assert page.locator("[data-testid=stMain] .katex").count() == 0
    assert "$$x$$ [click](http://evil.example/c) call me" in reader.text()
    reader.open(f"view=lead&lead={quote(EVIL + '<img src=x onerror=alert(2)>')}", "[role=status]")
    assert "No lead fits" in reader.text()


def test_an_unknown_lead_is_a_sentence(reader: Reader) -> None:
    reader.open("view=lead&lead=nobody@nowhere.example", "[role=status]:has-text('No lead fits')")
    assert "nobody@nowhere.example" in reader.text()


def test_the_overview_counts_todays_leads_and_names_what_waits(reader: Reader) -> None:
    page = reader.open("view=overview", "table[data-table=unknown]")
    cards = reader.cards()
    assert cards["leads"].endswith("\n6") or "\n6\n" in cards["leads"] + "\n"
    assert "1\nwait for a person to approve" in cards["in_review"]
    assert "mode is auto: messages leave by themselves" in reader.text()
    assert "3\n2 overdue" in cards["handoffs"]
    assert "1" in cards["unknown"]
    assert LONG in reader.text()
    assert "leadops touches resolve tch_" in reader.text()
    wide = "() => document.querySelector('[data-testid=stMain]').scrollWidth <= window.innerWidth"
    assert page.evaluate(wide)


def test_a_strangers_page_gets_nothing(served: Served) -> None:
    port = urlsplit(served.base).port
    assert port is not None
    # Its name pointed to this machine (DNS rebinding), or its script talks to ours.
    assert _upgrade(port, host="evil.example", origin="http://evil.example") == 403
    assert _upgrade(port, host=f"127.0.0.1:{port}", origin=f"http://127.0.0.1:{port}") == 101


def _upgrade(port: int, host: str, origin: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(
        "GET",
        "/_stcore/stream",
        headers={
            "Host": host,
            "Origin": origin,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        },
    )
    status = connection.getresponse().status
    connection.close()
    return status


def test_nobodys_data_is_in_the_servers_output(reader: Reader) -> None:
    reader.open("view=lead&lead=anna@acme.example", "[data-timeline]")
    said = reader.served.said()
    for canary in ("acme.example", "evil@", "Anna", "Traceback", "view failed"):
        assert canary not in said
