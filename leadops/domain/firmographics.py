"""What a title, a headcount or a name says about a person's company, without asking anybody.

Pure, several languages, and silent where unsure: None is better than a guess that moves a score.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

C_LEVEL, VP, DIRECTOR, MANAGER, INDIVIDUAL, STUDENT = (
    "c_level",
    "vp",
    "director",
    "manager",
    "individual",
    "student",
)
TITLE_LEVELS = (C_LEVEL, VP, DIRECTOR, MANAGER, INDIVIDUAL, STUDENT)

# Whole words after folding (lower case, accents stripped, ß as ss). Tried in this order: "student
# assistant to the CEO" is a student, "assistant to the CEO" is not the CEO.
_LEVELS: tuple[tuple[str, str], ...] = (
    (
        STUDENT,
        r"student(in|e|en|s)?|estudiante|estudante|etudiante?|studente(ssa)?|intern|interns|internship|trainee"
        r"|praktikant(in)?|werkstudent(in)?|auszubildende[rn]?|azubi|stagiaire|stagiair|stagista|becari[oa]"
        r"|estagiari[oa]|apprentice|apprenti|alternant|stazysta|praktikan",
    ),
    (
        INDIVIDUAL,
        r"(assistante?|assistent(e|in)?|assistenz|asistente|asistenta)(?! (vice|manager|director))"
        r"|(product|process|system|service|data|content|business process) owner",
    ),
    (
        VP,
        r"vp|svp|evp|avp|rvp|(senior |executive |regional )?vice[ -]?president(e|in)?|vice[ -]?presidente"
        r"|vicepresident[ea]?",
    ),
    (
        C_LEVEL,
        r"c[efotimpr]o|cmo|cco|ciso|cdo|chro|cso|cbo|cxo|c[ -]level|chief [a-z ]*officer|chief executive"
        r"|(co[ -]?)?founder|owner|co[ -]?owner|president|presidente|managing director|general manager"
        r"|managing partner|proprietor|chairman|chairwoman|entrepreneur"
        r"|geschaftsfuhrer(in)?|geschaeftsfuehrer(in)?|geschaftsfuhrend\w*|vorstand\w*|inhaber(in)?"
        r"|(mit)?grunder(in)?|(mit)?gruender(in)?|gesellschafter(in)?"
        r"|pdg|dg|directeur general|directrice generale|gerante?"
        r"|fondateur|fondatrice|cofondateur|cofondatrice"
        r"|director general|directora general|director gerente|dueno|duena|fundador(a)?|cofundador(a)?"
        r"|socio[ -]fundador|gerente general|consejer[oa] delegad[oa]|propietari[oa]|proprietari[oa]"
        r"|diretor[a]? (geral|executiv[oa])|socio[ -]proprietari[oa]|dono|dona"
        r"|amministratore delegato|amministratrice delegata|titolare|fondatore|fondatrice|direttore generale"
        r"|algemeen directeur|eigenaar|oprichter|bestuurder|zaakvoerder"
        r"|verkstallande direktor|vd"
        r"|grundare|agare|toimitusjohtaja|administrerende direktor|prezes( zarzadu)?"
        r"|wlasciciel(ka)?",
    ),
    (
        DIRECTOR,
        r"director|directora|directeur|directrice|direktor(in)?|diretor(a)?|direttore|direttrice|dyrektor"
        r"|direktoren|head|head of|abteilungsleiter(in)?|bereichsleiter(in)?|hauptabteilungsleiter(in)?"
        r"|(?<!business )(?<!channel )partner|jefe de departamento|chef de service|prokurist(in)?|johtaja",
    ),
    (
        MANAGER,
        r"managers?|management|lead(?! gen)|team ?lead(er)?|leader|supervisor(a)?|supervisore|coordinator"
        r"|leiter(in)?|teamleiter(in)?|gruppenleiter(in)?|\w+leiter(in)?|\w+manager(in)?"
        r"|responsable|chef de \w+|gerente|jefe|jefa|encargad[oa]|coordinador(a)?|coordenador(a)?"
        r"|lider|responsabile|coordinatore|coordinatrice|capo|hoofd|teamleider|kierownik|kierowniczka"
        r"|manazer(ka)?|paallikko|chef|gestor(a)?",
    ),
    (
        INDIVIDUAL,
        r"engineer|developer|analyst|specialist|consultant|designer|scientist|researcher|accountant|assistant"
        r"|associate|representative|rep|buyer|administrator|admin|officer|technician|architect|programmer"
        r"|advisor|adviser|marketer|freelancer?|executive|nurse|teacher|professor|clerk|recruiter|planner|sdr|bdr"
        r"|ingenieur(in)?|entwickler(in)?|berater(in)?|sachbearbeiter(in)?|referent(in)?|einkaufer(in)?"
        r"|assistentin?|assistenz|kaufmann|kauffrau|techniker(in)?|spezialist(in)?|mitarbeiter(in)?"
        r"|ingenieure?|developpeu(r|se)|analyste|consultante?|charge|chargee|commercial|acheteu(r|se)|comptable"
        r"|ingenier[oa]|desarrollador(a)?|analista|consultor(a)?|especialista|asesor(a)?|vendedor(a)?|comprador(a)?"
        r"|engenheir[oa]|desenvolvedor(a)?|comercial|ingegnere|sviluppatore|consulente|impiegat[oa]|medewerker"
        r"|adviseur|ontwikkelaar|inkoper|specialista|ingenjor|utvecklare|insinoori|inzynier|specjalist(a|ka)",
    ),
)
_COMPILED = tuple((level, re.compile(rf"(?<!\w)(?:{words})(?!\w)")) for level, words in _LEVELS)

# An industry may be named in a mail, so its name is plain words. Only words that leave no doubt, as a whole
# part of a domain or a whole word of a name.
_INDUSTRY_WORDS: dict[str, frozenset[str]] = {
    "software": frozenset({"software", "saas", "devops", "cybersecurity"}),
    "finance": frozenset({"bank", "banking", "sparkasse", "volksbank", "banque", "banco", "fintech"}),
    "insurance": frozenset(
        {"insurance", "versicherung", "versicherungen", "assurance", "assurances", "seguros"}
    ),
    "healthcare": frozenset(
        {
            "hospital",
            "klinik",
            "klinikum",
            "clinic",
            "healthcare",
            "medical",
            "krankenhaus",
            "pharma",
            "dental",
        }
    ),
    "education": frozenset({"university", "universitaet", "college", "school", "hochschule"}),
    "manufacturing": frozenset({"manufacturing", "maschinenbau", "werkzeugbau", "metallbau", "foundry"}),
    "logistics": frozenset({"logistics", "logistik", "spedition", "freight", "transporte", "logistica"}),
    "construction": frozenset({"construction", "bauunternehmen", "hochbau", "tiefbau", "roofing"}),
    "real estate": frozenset(
        {"realestate", "realty", "immobilien", "immobilier", "inmobiliaria", "imobiliaria"}
    ),
    "legal": frozenset(
        {"lawfirm", "attorneys", "rechtsanwaelte", "rechtsanwalte", "avocats", "abogados", "notaire"}
    ),
    "hospitality": frozenset({"hotel", "hotels", "restaurant", "restaurants"}),
    "energy": frozenset({"solar", "windpower", "stadtwerke", "photovoltaik"}),
    "automotive": frozenset({"autohaus", "automotive", "cardealer", "concessionnaire"}),
    "retail": frozenset({"supermarket", "supermarkt", "supermercado"}),
    "government": frozenset({"ministry", "ministerium", "municipality", "stadtverwaltung"}),
}
_INDUSTRY_OF = {word: industry for industry, words in _INDUSTRY_WORDS.items() for word in words}
_PUBLIC_SUFFIXES: tuple[tuple[str, str], ...] = (
    (r"(^|\.)(edu|ac)(\.[a-z]{2})?$", "education"),
    (r"(^|\.)(gov|gob|gouv)(\.[a-z]{2})?$", "government"),
    (r"(^|\.)(bank)$", "finance"),
    (r"(^|\.)(insurance)$", "insurance"),
)
_SIZE = re.compile(r"(\d{1,3}(?:[.,'\u2019 \u00a0]\d{3})+|\d+)(\s*k\b)?")


def title_level(title: str | None) -> str | None:
    """One of TITLE_LEVELS, or None where the title says none of them."""
    text = _folded(title)
    if not text:
        return None
    return next((level for level, words in _COMPILED if words.search(text)), None)


def company_size(given: Any) -> int | None:
    """Employees as an int, the lower end of a range: ``51-200`` -> 51, ``200+`` -> 200, ``1.000`` -> 1000.

    ``<50`` and ``up to 50`` say nothing about the lower end but that somebody is there: 1. None where
    there is no number, or one that cannot be a headcount.
    """
    if isinstance(given, bool):
        return None
    if isinstance(given, int | float):
        return _headcount(float(given))
    text = str(given or "").strip().lower()
    found = _SIZE.search(text)
    if found is None or text.startswith("-"):
        return None
    size = float(re.sub(r"\D", "", found[1])) * (1000 if found[2] else 1)
    if re.match(r"(<|up to|bis( zu)?|less than|under|fewer than|jusqu|ate|hasta|fino a)", text):
        return 1
    return _headcount(size)


def industry_of(domain: str | None, company: str | None = None) -> str | None:
    """An industry where a whole word of the domain or the company's name leaves no doubt, else None.

    Two words that disagree ("bank-hotel") are doubt.
    """
    host = (domain or "").strip().lower().rstrip(".")
    for pattern, industry in _PUBLIC_SUFFIXES:
        if re.search(pattern, host):
            return industry
    words = {*re.split(r"[.\-]", host), *re.split(r"[^a-z0-9]+", _folded(company))}
    found = {_INDUSTRY_OF[word] for word in words if word in _INDUSTRY_OF}
    return found.pop() if len(found) == 1 else None


def _headcount(size: float) -> int | None:
    return int(size) if 1 <= size <= 5_000_000 else None


def _folded(text: str | None) -> str:
    lowered = (text or "").casefold()[:200]
    plain = "".join(c for c in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(c))
    return re.sub(r"\s+", " ", re.sub(r"[^\w'\- ]", " ", plain.replace("ł", "l").replace("ø", "o"))).strip()
