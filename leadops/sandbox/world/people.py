"""Who a lead is: name, work, what they want, how their mailbox behaves; a pure function of seed and key.

Addresses are on reserved domains (RFC 2606), those of free mail have a hyphen, which Gmail allows nobody to
have: nothing here can reach a real person.
"""

from __future__ import annotations

from dataclasses import dataclass

from leadops.sandbox.world import asking
from leadops.sandbox.world.chance import Chance, pick
from leadops.sandbox.world.names import COMPANIES, NAMES
from leadops.sandbox.world.places import BY_CODE
from leadops.sandbox.world.rhythm import Moment
from leadops.sandbox.world.titles import LEVELS, titles

SIZES = {4: 12, 17: 20, 45: 20, 130: 18, 420: 16, 1_800: 9, 12_000: 5}
QUIRKS = {
    "": 780, "free_mail": 80, "no_name": 25, "full_name_first": 15, "shouting": 25, "no_company": 25,
    "injection": 15, "typo": 15, "test": 8, "auto_ack": 12,
}  # fmt: skip
"""How a thousand form entries look. typo: an address that bounces; auto_ack: a shared box that thanks."""
FAULTS = {"": 930, "hard": 8, "left": 14, "full": 8, "blocks": 8, "slow": 32}
"""What is wrong with a thousand mailboxes. full: soft bounces; blocks: by policy; slow: deferred once."""
_AREAS = (
    201, 202, 206, 212, 213, 214, 215, 216, 303, 305, 310, 312, 313, 314, 404, 408, 412, 414, 415, 469, 480,
    503, 504, 512, 513, 602, 605, 612, 615, 617, 619, 646, 650, 702, 703, 704, 713, 718, 720, 801, 808, 813,
    816, 832, 845, 847, 858, 901, 907, 908, 913, 917, 919, 949, 954, 970, 972, 978,
)  # fmt: skip
"""With 555-0100 to 555-0199, numbers that belong to nobody."""
CLIENTS = {"outlook": 42, "gmail": 28, "apple": 24, "no_images": 6}


@dataclass(frozen=True, slots=True)
class Person:
    """One lead and what nobody can see of them.

    ``size`` in people, None where not said; ``level`` is a key of ``titles.LEVELS``; ``fault`` of
    ``FAULTS``; ``scanned``: their company's mail gateway follows every link; ``latent``: the number in
    [0, 1) that decides what they will do, given how likely each thing is.
    """

    key: str
    source: str
    first: str
    last: str
    email: str
    alias: str
    company: str
    title: str
    level: str
    size: int | None
    country: str
    zone: str
    language: str
    phone: str
    ask: str
    message: str
    quirk: str
    fault: str
    client: str
    scanned: bool
    latent: float

    @property
    def is_real(self) -> bool:
        return self.quirk != "test"


def person_of(chance: Chance, moment: Moment, *, hot: bool = False) -> Person:
    """The person who arrives at this moment. ``hot``: one whom every sensible scorecard calls hot."""
    draw = chance.stream("person", moment.key)
    place = BY_CODE[moment.country]
    firsts, lasts = NAMES[place.names]
    first, first_latin = draw.choice(firsts)
    last, last_latin = draw.choice(lasts)
    stem, kinds = draw.choice(COMPANIES)
    company = f"{stem} {draw.choice(kinds.split())}"
    level = pick(LEVELS, draw.random())
    title = draw.choice(titles(level, place.language))
    size: int | None = pick(SIZES, draw.random())
    ask = pick(asking.ASKS[moment.source], draw.random())
    quirk = pick(QUIRKS, draw.random())
    fault = pick(FAULTS, draw.random())
    number = draw.randrange(100, 10_000)
    says = draw.random() < 0.28
    words = draw.choice(asking.MESSAGES.get(place.language, asking.MESSAGES["en"]))
    attack = draw.choice(asking.INJECTIONS)
    unsaid = draw.random() < 0.12
    scanner, client, latent = draw.random(), pick(CLIENTS, draw.random()), draw.random()
    phone = f"+1{draw.choice(_AREAS)}555{100 + draw.randrange(100):04}" if draw.random() < 0.4 else ""
    if hot:
        title, level, size, ask, quirk, fault, unsaid = "VP Operations", "vp", 420, "demo", "", "", False
    domain = _domain(company)
    person = Person(
        key=moment.key,
        source=moment.source,
        first=first,
        last=last,
        email=f"{first_latin}.{last_latin}{number}@{domain}",
        alias=f"{first_latin[:1]}{last_latin}.{number}@{domain}",
        company=company,
        title=title,
        level=level,
        size=None if unsaid else size,
        country=moment.country,
        zone=moment.zone,
        language=place.language,
        phone=phone if moment.country == "US" else "",
        ask=ask,
        message=words if says and ask != "guide" else "",
        quirk=quirk,
        fault=fault,
        client=client,
        scanned=bool(size and size >= 130 and scanner < 0.5),
        latent=latent,
    )
    return _quirky(person, attack, number)


def _domain(company: str) -> str:
    plain = company.lower().replace("&", "and").replace("ü", "ue").replace("é", "e")
    return "".join(c for c in plain if c.isascii() and c.isalnum()) + ".example"


def _quirky(p: Person, attack: str, number: int) -> Person:
    """The same person as such people fill in forms."""
    if p.quirk == "free_mail":
        local = p.email.partition("@")[0].replace(".", "-")
        return _with(p, email=f"{local}@gmail.com", alias=f"{local}+work@gmail.com", scanned=False)
    if p.quirk == "no_name":
        return _with(p, first="", last="")
    if p.quirk == "full_name_first":
        return _with(p, first=f"{p.first} {p.last}", last="")
    if p.quirk == "shouting":
        return _with(p, first=p.first.upper(), last=p.last.upper(), company=p.company.upper())
    if p.quirk == "no_company":
        return _with(p, company="", title="")
    if p.quirk == "injection":
        return _with(p, message=attack)
    if p.quirk == "typo":
        local, _, domain = p.email.partition("@")
        return _with(p, email=f"{local}@{domain[0]}{domain}", fault="hard")
    if p.quirk == "test":
        return _with(
            p, first="Test", last="Test", company="test", title="asdf", email=f"test{number}@test.example",
            alias=f"test{number}@test.example", message="test", fault="hard",
        )  # fmt: skip
    return p


def _with(p: Person, **changed: object) -> Person:
    fields = {name: getattr(p, name) for name in Person.__dataclass_fields__}
    return Person(**(fields | changed))
