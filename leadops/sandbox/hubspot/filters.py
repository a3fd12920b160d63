"""One filter of a search: reading it as strictly as the vendor, and what it lets through."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leadops.sandbox.hubspot.index import Properties
from leadops.sandbox.hubspot.refusals import invalid
from leadops.sandbox.hubspot.schema import SINGULAR, Property
from leadops.sandbox.hubspot.shapes import fields, text
from leadops.sandbox.hubspot.values import UnfitError, canonical, stamp_ms

Fits = Callable[[int, Properties], bool]
Linked = Callable[[int, str], list[str]]
"""(record id, other type) -> ids of the other type's records it is associated with."""

COMPARISONS = frozenset({"LT", "LTE", "GT", "GTE"})
TAKES_ONE = frozenset({"EQ", "NEQ", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}) | COMPARISONS
TAKES_MANY = frozenset({"IN", "NOT_IN"})
TAKES_NONE = frozenset({"HAS_PROPERTY", "NOT_HAS_PROPERTY"})
OPERATORS = TAKES_ONE | TAKES_MANY | TAKES_NONE | {"BETWEEN"}
TEXT = frozenset({"string", "phone_number", "enumeration", "bool"})
PLURAL: Mapping[str, str] = {one: many for many, one in SINGULAR.items()}
MILLISECONDS = re.compile(r"-?\d{1,15}")


@dataclass(frozen=True, slots=True)
class Filter:
    """``values`` in the form they are kept in (values.py); ``ms``: the same as milliseconds, for moments.

    ``problem``: accepted by the vendor, yet surely not what was meant.
    """

    name: str
    operator: str
    values: tuple[str, ...]
    ms: tuple[int, ...] = ()
    problem: str = ""

    def bounds(self) -> tuple[int | None, int | None]:
        """From and to in milliseconds, both included, where it is a range of moments."""
        if not self.ms:
            return None, None
        first = self.ms[0]
        return {
            "EQ": (first, first),
            "GTE": (first, None),
            "GT": (first + 1, None),
            "LTE": (None, first),
            "LT": (None, first - 1),
            "BETWEEN": (first, self.ms[-1]),
        }.get(self.operator, (None, None))


def read_filter(known: Mapping[str, Property], given: Any) -> Filter:
    """A filter as it stands in the request. Raises RefusedError (400)."""
    fields(
        given,
        ("propertyName", "operator", "value", "values", "highValue"),
        ("propertyName", "operator"),
        "filter",
    )
    name, operator = text(given["propertyName"], "propertyName"), text(given["operator"], "operator")
    if operator not in OPERATORS:
        raise invalid(f"Invalid input JSON: no operator {operator}; there are {', '.join(sorted(OPERATORS))}")
    raw = _raw_values(given, operator)
    if name.startswith("associations."):
        if name.removeprefix("associations.") not in PLURAL or operator not in ("EQ", "IN"):
            raise invalid(f"There was a problem with the request: cannot filter by {name} {operator}")
        return Filter(name, operator, raw)
    if name not in known:
        raise invalid(f"There was a problem with the request: no property {name}")
    return _typed(known[name], operator, raw)


def _raw_values(given: Mapping[str, Any], operator: str) -> tuple[str, ...]:
    wanted: tuple[str, ...] = ()
    if operator in TAKES_ONE:
        wanted = ("value",)
    elif operator in TAKES_MANY:
        wanted = ("values",)
    elif operator == "BETWEEN":
        wanted = ("value", "highValue")
    for name in ("value", "values", "highValue"):
        if (given.get(name) is not None) != (name in wanted):
            need = " and ".join(wanted) or "no value"
            raise invalid(f"a filter with {operator} takes {need}: {name} does not fit")
    many = given["values"] if operator in TAKES_MANY else [given[name] for name in wanted]
    if not isinstance(many, list) or (wanted and not many):
        raise invalid(f"a filter with {operator} takes at least one value")
    if not all(isinstance(each, str) for each in many):
        raise invalid("Invalid input JSON: values of a filter must be strings")
    return tuple(many)


def _typed(known: Property, operator: str, raw: tuple[str, ...]) -> Filter:
    """The filter with values that fit the property's type. Raises RefusedError (400)."""
    if "CONTAINS" in operator and known.type not in ("string", "phone_number"):
        raise invalid(f"{operator} does not work on {known.name}, which is a {known.type}")
    if known.type in ("date", "datetime"):
        return _moments(known, operator, raw)
    if known.type == "number":
        try:
            return Filter(known.name, operator, tuple(canonical(known, each) or "" for each in raw))
        except UnfitError as error:
            raise invalid(f"a filter by {known.name} takes numbers: {error}") from None
    problem = ""
    if operator in TAKES_MANY and known.type == "string" and any(each != each.lower() for each in raw):
        problem = f"values of {operator} must be lower case for the text property {known.name}"
    return Filter(known.name, operator, raw, problem=problem)


def _moments(known: Property, operator: str, raw: tuple[str, ...]) -> Filter:
    if not all(MILLISECONDS.fullmatch(each) for each in raw):
        raise invalid(f"a filter by {known.name} takes milliseconds since 1970, as strings of digits")
    ms = tuple(int(each) for each in raw)
    try:
        kept = [stamp_ms(each) for each in ms]
    except OverflowError:
        raise invalid(f"a filter by {known.name}: no such date") from None
    if known.type == "date":
        kept = [each[: len("2026-11-22")] for each in kept]
    return Filter(known.name, operator, tuple(kept), ms)


def predicate(asked: Filter, known: Mapping[str, Property], linked: Linked, *, blank_differs: bool) -> Fits:
    """What the filter lets through. ``blank_differs``: NEQ and NOT_IN let blanks through."""
    if asked.name.startswith("associations."):
        other, wanted = PLURAL[asked.name.removeprefix("associations.")], frozenset(asked.values)
        return lambda number, _: not wanted.isdisjoint(linked(number, other))
    name = asked.name
    if asked.operator == "HAS_PROPERTY":
        return lambda _, values: values.get(name) is not None
    if asked.operator == "NOT_HAS_PROPERTY":
        return lambda _, values: values.get(name) is None
    kind = known[name].type
    fits = _value_test(asked, kind)
    passes_blank = blank_differs and asked.operator in ("NEQ", "NOT_IN", "NOT_CONTAINS_TOKEN")

    def keeps(_: int, values: Properties) -> bool:
        value = values.get(name)
        return passes_blank if value is None else fits(value)

    return keeps


def _value_test(asked: Filter, kind: str) -> Callable[[str], bool]:
    if "CONTAINS_TOKEN" in asked.operator:
        contains = _contains(asked.values[0])
        return contains if asked.operator == "CONTAINS_TOKEN" else lambda value: not contains(value)
    if kind == "number":
        return _compare(asked.operator, tuple(map(float, asked.values)), float)
    if kind == "string" and asked.operator in TAKES_MANY:
        # The index holds text in lower case, and these operators do not fold what they are given.
        return _compare(asked.operator, asked.values, str.lower)
    if kind in TEXT:
        return _compare(asked.operator, tuple(each.lower() for each in asked.values), str.lower)
    return _compare(asked.operator, asked.values, str)


def _compare(operator: str, wanted: tuple[Any, ...], as_kept: Callable[[str], Any]) -> Callable[[str], bool]:
    first, last = wanted[0], wanted[-1]
    several = frozenset(wanted)
    tests: dict[str, Callable[[str], bool]] = {
        "EQ": lambda value: as_kept(value) == first,
        "NEQ": lambda value: as_kept(value) != first,
        "LT": lambda value: as_kept(value) < first,
        "LTE": lambda value: as_kept(value) <= first,
        "GT": lambda value: as_kept(value) > first,
        "GTE": lambda value: as_kept(value) >= first,
        "BETWEEN": lambda value: first <= as_kept(value) <= last,
        "IN": lambda value: as_kept(value) in several,
        "NOT_IN": lambda value: as_kept(value) not in several,
    }
    return tests[operator]


def _contains(wanted: str) -> Callable[[str], bool]:
    """Whole words, in a row; ``*`` stands for any part of a word."""
    parts = [re.escape(each).replace(r"\*", r"\w*") for each in _words(wanted)]
    if not parts:
        return lambda _: False
    pattern = re.compile(r"(?<!\w)" + r"\W+".join(parts) + r"(?!\w)", re.IGNORECASE)
    return lambda value: pattern.search(value) is not None


def _words(text: str) -> list[str]:
    return re.findall(r"[\w*]+", text)
