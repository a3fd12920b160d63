"""A country by what people and providers write for it: ISO 3166 alpha-2, or nothing."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib import resources


def country_code(given: str | None) -> str | None:
    """``de``, ``Germany`` and ``Deutschland`` are ``DE``; None where no country is meant without doubt."""
    text = _folded(given or "")
    found = _codes().get(text)
    if found is None and len(text) == 2 and text.upper() in set(_codes().values()):
        return text.upper()
    return found


def _folded(text: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(plain.replace("\u2019", "'").replace("&", "and").casefold().split())


@cache
def _codes() -> dict[str, str]:
    """Name, folded -> code. The table is packaged beside this file."""
    text = resources.files("leadops.domain").joinpath("countries.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {_folded(name): code for code, _, name in (line.partition(" ") for line in lines)}
