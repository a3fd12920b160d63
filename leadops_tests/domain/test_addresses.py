"""Addresses, domains and phone numbers in one spelling each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadops.domain.addresses import (
    ascii_domain,
    canonical_email,
    clean_email,
    company_domain,
    email_domain,
    is_free_mail,
    normalise_phone,
    registrable_domain,
)

LOCAL = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
DOMAINS = st.sampled_from(
    ["acme.com", "acme.co.uk", "gmail.com", "googlemail.com", "olist.example", "x.test"]
)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("Anna+x@Acme.com", "anna@acme.com"),
        ("  anna@acme.com\n", "anna@acme.com"),
        ("mailto:anna@acme.com?subject=hi", "anna@acme.com"),
        ("Anna Ade <Anna@acme.com>", "anna@acme.com"),
        ("A.n.n.a+promo@GoogleMail.com", "anna@gmail.com"),
        ("a.nna@acme.com", "a.nna@acme.com"),
        ("+only@acme.com", "+only@acme.com"),
        ("info@Müller.de", "info@xn--mller-kva.de"),
        ("f00@olist.example", "f00@olist.example"),
        ("f00@lead.test", "f00@lead.test"),
    ],
)
def test_one_mailbox_has_one_spelling(given_: str, expected: str) -> None:
    assert canonical_email(given_) == expected


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "",
        "   ",
        "anna",
        "anna@",
        "@acme.com",
        "anna@acme",
        "a b@acme.com",
        "anna@acme..com",
        "anna@localhost",
        "anna@[10.0.0.1]",
        "anna@acme.com\r\nBcc: x@y.com",
        "anna@acme.com, bob@acme.com",
        "a" * 400 + "@acme.com",
        '"q r"@acme.com',
        "anna@ac\x00me.com",
        "n/a",
        "anna@-acme.com",
    ],
)
def test_what_is_no_address_is_none(bad: str | None) -> None:
    assert canonical_email(bad) is None
    assert clean_email(bad) is None
    assert email_domain(bad) is None


def test_the_address_to_write_to_keeps_its_tag_and_dots() -> None:
    assert clean_email("Anna.A+x@GMAIL.com") == "Anna.A+x@gmail.com"


@given(LOCAL, LOCAL, DOMAINS)
def test_case_and_tag_never_make_a_second_person(local: str, tag: str, domain: str) -> None:
    plain = canonical_email(f"{local}@{domain}")
    assert plain is not None
    assert canonical_email(f"{local.upper()}+{tag}@{domain.title()}") == plain
    assert canonical_email(plain) == plain


@given(st.text(max_size=60))
def test_any_text_gives_an_address_or_none(text: str) -> None:
    found = canonical_email(text)
    assert found is None or (found.count("@") == 1 and found == canonical_email(found))
    registrable_domain(text)
    is_free_mail(text)
    normalise_phone(text, "DE")


@pytest.mark.parametrize(
    ("domain", "own"),
    [
        ("mail.acme.co.uk", "acme.co.uk"),
        ("ACME.com.", "acme.com"),
        ("co.uk", None),
        ("com", None),
        ("acme.github.io", "acme.github.io"),
        ("olist.example", "olist.example"),
        ("shop.müller.de", "xn--mller-kva.de"),
        ("not a domain", None),
        (None, None),
    ],
)
def test_the_registrable_domain_is_what_somebody_registered(domain: str | None, own: str | None) -> None:
    assert registrable_domain(domain) == own


@pytest.mark.parametrize(
    "domain",
    [
        "gmail.com",
        "GMAIL.COM",
        "yahoo.co.uk",
        "hotmail.fr",
        "t-online.de",
        "uol.com.br",
        "qq.com",
        "mailinator.com",
        "mx.gmail.com",
        "gmx.net",
        "web.de",
    ],
)
def test_free_mail_is_known(domain: str) -> None:
    assert is_free_mail(domain)


@pytest.mark.parametrize(
    "domain", ["acme.com", "gmail-tools.com", "notgmail.com", "web.dev", "mit.edu", "", None]
)
def test_a_company_is_not_taken_for_free_mail(domain: str | None) -> None:
    assert not is_free_mail(domain)


def test_a_company_domain_is_the_registrable_one_of_a_business_address() -> None:
    assert company_domain("a@mail.acme.co.uk") == "acme.co.uk"
    assert company_domain("a@gmail.com") is None
    assert company_domain("nobody") is None


def test_a_domain_that_cannot_be_one_is_none() -> None:
    assert ascii_domain("http://acme.com") is None
    assert ascii_domain("\u2603" * 80 + ".com") is None


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("(11) 98765-4321", "BR", "+5511987654321"),
        ("+55 11 98765 4321", None, "+5511987654321"),
        ("030 901820", "de", "+4930901820"),
        ("0049 30 901820", "DE", "+4930901820"),
        ("030 901820", None, None),
        ("030 901820", "ZZ", None),
        ("+49 30 901820 ext. 12", None, None),
        ("0000000", "US", None),
        ("call me", "US", None),
        ("", "US", None),
        (None, None, None),
    ],
)
def test_a_phone_number_is_e164_or_none(text: str | None, country: str | None, expected: str | None) -> None:
    assert normalise_phone(text, country) == expected
