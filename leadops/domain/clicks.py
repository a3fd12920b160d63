"""Who clicked: a person, a machine, or nobody can tell (R13). Pure.

Mail gateways fetch every link of a message before, while and after it is delivered; most of them say that
they are a browser. So a click is a person's only where nothing speaks against it and its delay is known;
what cannot be told is ``unknown`` and never counts. Opens are not looked at at all: Apple's Mail Privacy
Protection and image proxies make them.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Literal, get_args

from leadops.terms import EventKind, LeadEvent

Actor = Literal["human", "bot", "unknown"]

BOT_WITHIN = timedelta(seconds=5)
"""From delivery to a click of a person: notice, open, read, click. Audits of click logs take five seconds
(https://check.live-direct-marketing.online/blog/bot-clicks-security-scanners-detect)."""
UNKNOWN_WITHIN = timedelta(seconds=60)
"""A scanner under a browser's name came 12 s after delivery (resend/resend-node#901); sandboxes of Microsoft
Defender come within 60 s. People who wait for the mail do as well: nobody can tell."""
BURST_WITHIN = timedelta(seconds=2)
"""Two different links of one message within it: a gateway takes about a second per link (mautic#9798)."""
SWEEP_WITHIN = timedelta(seconds=10)
SWEEP_LINKS = 3
"""So many different links within ten seconds: all links are fetched (mautic#9798 takes 10 s, too)."""

_SAYS_SO = re.compile(
    # Mail security, by the names in their user agents or of their products.
    r"barracuda|proofpoint|mimecast|ironport|cisco ?secure|messagelabs|symantec|forcepoint|fortinet|fortimail"
    r"|fireeye|trellix|trend ?micro|\btmes\b|sophos|sonicwall|checkpoint|cloudmark|vade ?secure|avanan|mcafee"
    r"|kaspersky|zscaler|f-secure|withsecure|safe ?links|urldefense|url ?defense|urlanalyzer|twinwave|urlscan"
    # The check Outlook makes beside a person's click (Safe Links at the time of the click).
    r"|ms-?office|microsoft office"
    # Previews, proxies and crawlers of mail and chat.
    r"|preview|imageproxy|image ?proxy|mailproxy|linkexpanding|facebookexternalhit|whatsapp|skypeuri"
    r"|google-safety|google-read|googledocs|google favicon|feedfetcher|mediapartners|googleother|slurp"
    r"|inspectiontool|crawl|spider|scanner|scanning|\bscan\b|checker|monitor|fetcher|validator"
    r"|(?<!\bcu)bots?(?:\b|_)"  # Cubot makes telephones
    # Libraries and headless browsers.
    r"|headless|phantomjs|puppeteer|playwright|selenium|electron|curl|wget|python|urllib|aiohttp|httpx"
    r"|go-http|okhttp|axios|node-fetch|undici|\bgot\b|guzzle|\bjava/|apache-http|libwww|lwp::|lua-resty"
    r"|\bahc/|ruby|perl|php|winhttp|wininet|powershell|cfnetwork|dalvik|httpclient|http-client|postman|insomnia"
    r"|https?://",
    re.IGNORECASE,
)
"""A program that says what it is. Cross-checked with monperrus/crawler-user-agents."""
_BROWSER = re.compile(
    r"Mozilla/5\.0 \((?:Windows NT |Macintosh; |iPhone; |iPad; |Android |X11; |Linux; [^()]{0,30}Android )"
    r"(?:[^()]|\([^()]*\))*\)(?P<rest> .+)"
)
_PRODUCTS = frozenset(
    (
        *("applewebkit", "gecko", "chrome", "chromium", "safari", "version", "mobile", "firefox", "edg"),
        *("edga", "edgios", "crios", "fxios", "gsa", "opr", "opios", "opt", "samsungbrowser"),
        *(
            "vivaldi",
            "duckduckgo",
            "ddg",
            "yabrowser",
            "miuibrowser",
            "huaweibrowser",
            "heytapbrowser",
            "vivobrowser",
            "ucbrowser",
        ),
        *("brave", "focus", "klar", "silk", "ubuntu"),
    )
)
"""What people's browsers call themselves and their parts; what names anything else is no browser alone."""
_LIKE = "(khtml, like gecko)"
_OLD = re.compile(r"Windows NT [3-5]\.|MSIE |Trident/|Chrome/(?:[1-9]|[1-7]\d)\.|Firefox/(?:[1-9]|[1-6]\d)\.")
"""Browsers nobody has had for years and sandboxes still claim to be."""

SCANNER_NETWORKS = tuple(
    ip_network(n)
    for n in (
        # Exchange Online Protection: mail servers, no people behind them
        # (https://learn.microsoft.com/microsoft-365/enterprise/urls-and-ip-address-ranges).
        *("40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17"),
        "40.94.0.0/16",  # Safe Links, as seen by receivers of its waves (stackoverflow.com/q/67179134)
        # Proofpoint, Mimecast, Barracuda: the ranges they publish for their customers' allow lists.
        *("67.231.144.0/20", "148.163.128.0/19", "205.220.160.0/19"),
        *("207.211.30.0/24", "205.139.110.0/23", "195.130.217.0/24", "91.220.42.0/24"),
        *("209.222.80.0/21", "64.235.144.0/20"),
        # Google's crawlers and fetchers (https://developers.google.com/static/search/apis/ipranges/googlebot.json).
        *("66.249.64.0/19", "66.102.0.0/20"),
    )
)
"""Addresses of gateways themselves. Clouds as a whole are left out: people come through them too (VPN)."""


@dataclass(frozen=True, slots=True)
class Click:
    """One click on one link of one message.

    ``user_agent``: None where the source does not tell, "" where the client sent none. ``link``: anything
    that tells one link of the message from another. ``said``: what the source itself says of the actor.
    """

    at: datetime
    user_agent: str | None = None
    ip: str | None = None
    link: str | None = None
    method: str = "GET"
    said: Actor | None = None


def click_of(event: LeadEvent) -> Click:
    """From ``properties`` actor, user_agent, ip, link or url, method; of any type, as they came."""
    given = event.properties
    said: Any = given.get("actor")
    return Click(
        at=event.occurred_at,
        user_agent=_text(given.get("user_agent")),
        ip=_text(given.get("ip")),
        link=_text(given.get("link")) or _text(given.get("url")),
        method=_text(given.get("method")) or "GET",
        said=said if isinstance(said, str) and said in get_args(Actor) else None,  # type: ignore[arg-type]
    )


def actor_of(click: Click, clicks_of_the_same_touch: Iterable[Click], delivered_at: datetime | None) -> Actor:
    """Who made ``click``.

    ``clicks_of_the_same_touch`` may hold the click itself, in any order, any of them twice.
    ``delivered_at``: when the message was delivered; None where that is not known (yet).
    """
    if click.said is not None:
        return click.said
    if _is_program(click) or _is_part_of_a_burst(click, clicks_of_the_same_touch):
        return "bot"
    if delivered_at is None:
        return "unknown"
    delay = click.at - delivered_at
    if delay <= BOT_WITHIN:  # before the delivery, too: gateways look before they accept
        return "bot"
    return "human" if delay > UNKNOWN_WITHIN and _is_browser(click.user_agent) else "unknown"


def human_clicks(events: Sequence[LeadEvent]) -> list[LeadEvent]:
    """The clicks people made, of one person's events, in the order given.

    A function of the set of events: evidence that comes later (a delivery, the rest of a burst) changes what
    an earlier click was.
    """
    delivered: dict[str, datetime] = {}
    clicks: dict[str, set[Click]] = {}
    for event in events:
        touch = _touch(event)
        if event.kind is EventKind.EMAIL_DELIVERED and touch:
            delivered[touch] = min(event.occurred_at, delivered.get(touch, event.occurred_at))
        elif event.kind is EventKind.EMAIL_CLICKED:
            clicks.setdefault(touch, set()).add(click_of(event))
    human = {
        (touch, click) for touch, found in clicks.items() for click in _human(found, delivered.get(touch))
    }
    return [e for e in events if e.kind is EventKind.EMAIL_CLICKED and (_touch(e), click_of(e)) in human]


def _human(clicks: set[Click], delivered_at: datetime | None) -> Iterator[Click]:
    """Those of one touch. Each is compared with its neighbours in time only: there may be thousands."""
    ordered = sorted(clicks, key=lambda c: c.at)
    times = [c.at for c in ordered]
    for click in ordered:
        near = slice(
            bisect_left(times, click.at - SWEEP_WITHIN), bisect_right(times, click.at + SWEEP_WITHIN)
        )
        if actor_of(click, ordered[near], delivered_at) == "human":
            yield click


def _touch(event: LeadEvent) -> str:
    touch = event.properties.get("touch_id")
    return touch if isinstance(touch, str) else ""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _is_program(click: Click) -> bool:
    """It says so, or it comes from where no person sits."""
    agent = click.user_agent
    if click.method.upper() == "HEAD" or (agent is not None and not agent.strip(" -\t")):
        return True
    return (agent is not None and _names_a_program(agent)) or (
        click.ip is not None and _of_a_scanner(click.ip)
    )


@lru_cache(maxsize=2_048)
def _names_a_program(agent: str) -> bool:
    return _SAYS_SO.search(agent[:1_000]) is not None


@lru_cache(maxsize=2_048)
def _of_a_scanner(ip: str) -> bool:
    try:
        address = ip_address(ip.strip())
    except ValueError:
        return False
    return any(address in network for network in SCANNER_NETWORKS)


@lru_cache(maxsize=2_048)
def _is_browser(agent: str | None) -> bool:
    """A browser of these years on a desk or a phone, and nothing else beside it."""
    found = _BROWSER.fullmatch((agent or "").strip()[:1_000])
    if found is None or _OLD.search(found.group()):
        return False
    words = found["rest"].lower().replace(_LIKE, " ").split()
    return all(word.partition("/")[0] in _PRODUCTS for word in words)


def _is_part_of_a_burst(click: Click, others: Iterable[Click]) -> bool:
    """Several different links of the message at once, from one address or one agent."""
    if click.link is None:
        return False
    swept = {click.link}
    for other in others:
        if other.link is None or other.link == click.link or not _same_client(click, other):
            continue
        apart = abs(other.at - click.at)
        if apart <= BURST_WITHIN:
            return True
        if apart <= SWEEP_WITHIN:
            swept.add(other.link)
    return len(swept) >= SWEEP_LINKS


def _same_client(one: Click, other: Click) -> bool:
    return (one.ip is not None and one.ip == other.ip) or (
        one.user_agent is not None and one.user_agent == other.user_agent
    )
