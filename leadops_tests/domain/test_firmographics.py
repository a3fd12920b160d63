"""Titles, headcounts and industries: right in several languages, and None where unsure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadops.domain.firmographics import TITLE_LEVELS, company_size, industry_of, title_level


@pytest.mark.parametrize(
    ("title", "level"),
    [
        ("CEO", "c_level"),
        ("Co-Founder & CTO", "c_level"),
        ("Chief Revenue Officer", "c_level"),
        ("Chief of Staff", None),
        ("Managing Director", "c_level"),
        ("Geschäftsführerin", "c_level"),
        ("Geschaeftsfuehrer", "c_level"),
        ("Inhaber", "c_level"),
        ("Président-directeur général", "c_level"),
        ("Directora General", "c_level"),
        ("Sócio-proprietário", "c_level"),
        ("Amministratore delegato", "c_level"),
        ("Prezes Zarządu", "c_level"),
        ("Verkställande direktör", "c_level"),
        ("Eigenaar", "c_level"),
        ("President", "c_level"),
        ("Owner", "c_level"),
        ("VP Sales", "vp"),
        ("Vice President, Marketing", "vp"),
        ("Senior Vice-President", "vp"),
        ("SVP Ops", "vp"),
        ("Director of Engineering", "director"),
        ("Head of Growth", "director"),
        ("Abteilungsleiter", "director"),
        ("Directeur commercial", "director"),
        ("Direttore vendite", "director"),
        ("Diretora Comercial", "director"),
        ("Marketing Manager", "manager"),
        ("Team Lead", "manager"),
        ("Vertriebsleiterin", "manager"),
        ("Responsable de compras", "manager"),
        ("Jefe de ventas", "manager"),
        ("Kierownik sprzedaży", "manager"),
        ("Product Manager", "manager"),
        ("Software Engineer", "individual"),
        ("Sachbearbeiter Einkauf", "individual"),
        ("Analista", "individual"),
        ("Assistant to the CEO", "individual"),
        ("Executive Assistant", "individual"),
        ("Assistante de direction", "individual"),
        ("Product Owner", "individual"),
        ("HR Business Partner", None),
        ("Lead Generation Specialist", "individual"),
        ("Assistant Vice President", "vp"),
        ("Partner", "director"),
        ("Sales Representative", "individual"),
        ("Student", "student"),
        ("Werkstudentin", "student"),
        ("Marketing Intern", "student"),
        ("Estudiante", "student"),
        ("Student assistant to the CEO", "student"),
        ("International Account", None),
        ("Ninja", None),
        ("", None),
        (None, None),
        ("-", None),
    ],
)
def test_titles_have_a_level_or_none(title: str | None, level: str | None) -> None:
    assert title_level(title) == level


@given(st.text(max_size=100))
def test_any_title_gives_a_known_level_or_none(title: str) -> None:
    assert title_level(title) in (None, *TITLE_LEVELS)
    assert industry_of(title, title) is None or isinstance(industry_of(title, title), str)


@pytest.mark.parametrize(
    ("given_", "size"),
    [
        (120, 120),
        ("120", 120),
        ("51-200", 51),
        ("51 – 200 employees", 51),
        ("200+", 200),
        ("1.000 - 5.000", 1000),
        ("10,001+", 10001),
        ("1 000", 1000),
        ("1'000", 1000),
        ("5k+", 5000),
        ("<50", 1),
        ("up to 50", 1),
        ("bis 50", 1),
        ("about 30", 30),
        (12.0, 12),
        ("12.5", 12),
        ("10.000,00", 10000),
        ("", None),
        (None, None),
        ("many", None),
        (0, None),
        (-5, None),
        ("-5", None),
        (True, None),
        ("9" * 30, None),
        (float("nan"), None),
    ],
)
def test_a_company_size_is_the_lower_end(given_: Any, size: int | None) -> None:
    assert company_size(given_) == size


@given(st.text(max_size=40))
def test_any_text_gives_a_headcount_or_none(text: str) -> None:
    found = company_size(text)
    assert found is None or 1 <= found <= 5_000_000


@pytest.mark.parametrize(
    ("domain", "company", "industry"),
    [
        ("acme-logistics.com", None, "logistics"),
        ("spedition-mueller.de", None, "logistics"),
        ("uni.edu", None, "education"),
        ("ox.ac.uk", None, "education"),
        ("city.gov", None, "government"),
        ("city.gov.uk", None, "government"),
        ("acme.com", "Müller Maschinenbau GmbH", "manufacturing"),
        ("x.de", "Immobilien Schmidt", "real estate"),
        ("riverbank.com", None, None),
        ("softwarehotel.com", None, None),
        ("bank-software.com", None, None),
        ("acme.com", "Acme", None),
        (None, None, None),
        ("", "", None),
        ("academy.com", None, None),
    ],
)
def test_an_industry_only_where_there_is_no_doubt(
    domain: str | None, company: str | None, industry: str | None
) -> None:
    assert industry_of(domain, company) == industry
