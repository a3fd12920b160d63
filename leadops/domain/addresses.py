"""What an e-mail address, a domain and a phone number are, in one spelling each.

Pure functions of their arguments (and of two lists shipped with the package: free-mail
domains beside this file, public suffixes from publicsuffixlist). Which of these make two
records one person is not decided here.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib import resources
from typing import Any

_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_LONGEST_ADDRESS = 320  # 64 + @ + 255; anything longer is not worth parsing
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@lru_cache(maxsize=20_000)  # the same few addresses again and again: a third of a fold's time
def clean_email(address: str | None) -> str | None:
    """The address to write to: syntax checked, domain lower-cased and in ASCII (IDNA), tag kept.

    Takes what forms and CRMs really hold: surrounding blanks, ``mailto:``, ``Name <address>``.
    Nothing is looked up. None where it is not an address one could send to.
    """
    text = (address or "").strip()
    if text[:7].lower() == "mailto:":
        text = text[7:].partition("?")[0].strip()
    if not text or len(text) > _LONGEST_ADDRESS or _CONTROL.search(text):
        return None
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(
            text,
            check_deliverability=False,
            globally_deliverable=False,  # reserved names such as .example are fine in files and demos
            test_environment=True,
            allow_display_name=True,
        )
    except (EmailNotValidError, UnicodeError):
        return None
    domain = (found.ascii_domain or "").lower()
    if "." not in domain:
        return None
    return f"{found.local_part}@{domain}"


def canonical_email(address: str | None) -> str | None:
    """The spelling under which one mailbox is always the same text; for comparing, not for sending.

    Lower case, ``+tag`` stripped, googlemail is gmail, and gmail's dots are dropped. None where
    the address is not valid.
    """
    clean = clean_email(address)
    if clean is None:
        return None
    local, _, domain = clean.lower().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _GMAIL:
        domain = "gmail.com"
        local = local.replace(".", "") or local
    return f"{local}@{domain}"


def email_domain(address: str | None) -> str | None:
    """The domain of an address, lower case ASCII; None where the address is not valid."""
    clean = clean_email(address)
    return None if clean is None else clean.rpartition("@")[2]


def ascii_domain(domain: str | None) -> str | None:
    """A domain in lower case ASCII (IDNA) without a trailing dot; None where it cannot be one."""
    text = (domain or "").strip().rstrip(".").lower()
    if not text or len(text) > 253 or any(c in text for c in "@/ :\t\r\n"):
        return None
    if text.isascii():
        return text
    import idna

    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None


@lru_cache(maxsize=4096)
def registrable_domain(domain: str | None) -> str | None:
    """The part somebody registered: ``mail.acme.co.uk`` -> ``acme.co.uk``. None for a bare suffix.

    Suffixes under which strangers get names (``github.io``) count as suffixes.
    """
    text = ascii_domain(domain)
    if text is None or "." not in text:
        return None
    found = _suffixes().privatesuffix(text)
    return str(found) if found else None


@lru_cache(maxsize=4096)
def is_free_mail(domain: str | None) -> bool:
    """True where an address at the domain tells nothing about an employer (gmail, t-online, mailinator)."""
    text = ascii_domain(domain)
    if text is None:
        return False
    exact, under_any_suffix = _free_mail()
    own = registrable_domain(text) or text
    return text in exact or own in exact or own.partition(".")[0] in under_any_suffix


def company_domain(address: str | None) -> str | None:
    """The registrable domain of a business address; None for free-mail or an invalid address."""
    own = registrable_domain(email_domain(address))
    return None if own is None or is_free_mail(own) else own


@lru_cache(maxsize=4_096)
def normalise_phone(text: str | None, country: str | None = None) -> str | None:
    """E.164 (``+5511987654321``), or None where it is no valid number.

    ``country`` (ISO 3166 alpha-2) is needed for numbers without ``+``. A number with an extension
    is a switchboard, shared by people who are not one person: None.
    """
    raw = (text or "").strip()
    if not raw or len(raw) > 60:
        return None
    import phonenumbers

    try:
        number = phonenumbers.parse(raw, (country or "").strip().upper() or None)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


@cache
def _free_mail() -> tuple[frozenset[str], frozenset[str]]:
    """(whole domains, first labels that count under every suffix)."""
    text = resources.files("leadops.domain").joinpath("freemail.txt").read_text(encoding="utf-8")
    names = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    exact = frozenset(name for name in names if not name.endswith(".*"))
    return exact, frozenset(name[:-2] for name in names if name.endswith(".*"))
