"""What one raw value is: a number, a word, several words, a moment, or nothing. No tables, no NumPy."""

from __future__ import annotations

import hashlib
import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from leadops.domain.placeholders import PLACEHOLDERS

MISSING = ""
_NUMBER = re.compile(r"[-+]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?([eE][-+]?\d{1,3})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?)?")
_WORD = re.compile(r"(?<!\w)[^\W\d_]{2,}(?!\w)")
_LONGEST = 200


def key_of(value: Any) -> str:
    """One form per meaning for what is compared as a text: trimmed, casefolded; "" where there is none."""
    if value is None:
        return MISSING
    if isinstance(value, str):
        return _key_of_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if math.isnan(value):
            return MISSING
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, list | tuple):
        return ", ".join(k for k in map(key_of, value) if k)[:_LONGEST]
    return _key_of_text(str(value))


_SAME = {"true": "yes", "false": "no"}


@lru_cache(maxsize=65_536)
def _key_of_text(value: str) -> str:
    text = " ".join(value.split()).casefold()[:_LONGEST]
    return _SAME.get(text, text)


def is_missing(key: str) -> bool:
    """Whether a key says nothing: absent, or a placeholder such as "Select"."""
    return key in PLACEHOLDERS


def number_of(value: Any) -> float:
    """The number a value is, NaN where it is none: 12, "1,200", "35 %", "$5000", True is 1."""
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else math.nan
    return _number_in(value) if isinstance(value, str) else math.nan


@lru_cache(maxsize=65_536)
def _number_in(text: str) -> float:
    bare = text.strip().strip("$€£% ")
    return float(bare.replace(",", "")) if _NUMBER.fullmatch(bare) else math.nan


def moment_of(value: Any) -> float:
    """Seconds since 1970 of an ISO 8601 text, NaN where it is none; without a zone it is UTC."""
    if not isinstance(value, str) or not _DATE.fullmatch(value.strip()):
        return math.nan
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        return math.nan
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def words_of(value: Any) -> frozenset[str]:
    """The words in a value, casefolded, without figures: what a title or an answer in words is made of."""
    key = key_of(value)
    return frozenset() if is_missing(key) or "@" in key else frozenset(_WORD.findall(key))


def sealed(key: str) -> str:
    """A value as it may be kept: who reads the model learns nothing of it, equal values are still equal."""
    return hashlib.blake2b(key.encode(), digest_size=8, person=b"leadops-score").hexdigest()
