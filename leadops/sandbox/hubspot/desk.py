"""What every request handler works with: the account, the options, the moment; and the API's own writes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leadops.sandbox.hubspot.options import Options
from leadops.sandbox.hubspot.portal import Portal, Record, TakenError
from leadops.sandbox.hubspot.refusals import bad_values, conflict, invalid, not_found
from leadops.sandbox.hubspot.schema import ENGAGEMENTS, SINGULAR
from leadops.sandbox.hubspot.values import UnfitError, canonical, to_ms

EMAIL = re.compile(r"[^@\s,;<>()\"]+@[^@\s.,;<>()\"]+(\.[^@\s.,;<>()\"]+)+")
SOURCE = "INTEGRATION"
Link = tuple[str, str]
"""(other type, other id)."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One request's view of the account."""

    portal: Portal
    options: Options
    now: datetime

    @property
    def now_ms(self) -> int:
        return to_ms(self.now)

    def record(self, object_type: str, id_: str, id_property: str | None = None) -> Record:
        """A record by its id, or by a property with unique values. Raises RefusedError (404, 400)."""
        if id_property is None or id_property == "hs_object_id":
            if not self.portal.has(object_type, id_):
                raise not_found()
            return self.portal.get(object_type, id_)
        self.unique(object_type, id_property)
        found = self.portal.by_unique(object_type, id_property, id_)
        if found is None:
            raise not_found()
        return found

    def unique(self, object_type: str, name: str) -> None:
        """Raise RefusedError (400) unless values of the property are unique."""
        if not self.portal.is_unique(object_type, name):
            said = f"{name} is not a unique property of {object_type}: it cannot be used as idProperty"
            raise invalid(said, code="INVALID_ID_PROPERTY", context={"idProperty": [name]})

    def creation(
        self, object_type: str, properties: Mapping[str, str], links: Sequence[Link] = ()
    ) -> Callable[[], Record]:
        """Make the vendor's checks of a new record; what is returned then makes it. Raises RefusedError."""
        if self.options.needs_timestamp and object_type in ENGAGEMENTS and not properties.get("hs_timestamp"):
            raise invalid(
                f"Error creating {SINGULAR[object_type].upper()}. Some required properties were not set.",
                code="REQUIRED_FIELD",
                context={"properties": ["hs_timestamp"]},
            )
        values = self._checked(object_type, properties, None)
        for other, other_id in links:
            if not self.portal.has(other, other_id):
                raise invalid(f"{SINGULAR[other]} {other_id} to associate with does not exist")

        def make() -> Record:
            id_ = self.portal.create(
                object_type,
                values,
                at=self.now,
                source=SOURCE,
                source_id=self.options.source_id,
                associations=links,
            )
            return self.portal.get(object_type, id_)

        return make

    def change(self, record: Record, properties: Mapping[str, str]) -> Callable[[], Record]:
        """Make the vendor's checks of a write; what is returned then writes it. Raises RefusedError."""
        if not properties:
            raise invalid("No properties found to update, please provide at least one.")
        values = self._checked(record.object_type, properties, record)
        return lambda: self.portal.update(
            record.object_type,
            record.id,
            values,
            at=self.now,
            source=SOURCE,
            source_id=self.options.source_id,
        )

    def _checked(
        self, object_type: str, properties: Mapping[str, str], record: Record | None
    ) -> dict[str, str | None]:
        """The properties as they will be kept. Raises RefusedError (400, 409)."""
        known = self.portal.properties[object_type]
        owners = {each["id"] for each in self.portal.owners}
        wrong: list[tuple[str, str, str]] = []
        values: dict[str, str | None] = {}
        for name, value in properties.items():
            if name not in known:
                wrong.append((name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
            elif known[name].is_read_only:
                wrong.append((name, "READ_ONLY_VALUE", f'"{name}" is a read only property'))
            else:
                try:
                    values[name] = canonical(known[name], value, owners)
                except UnfitError as error:
                    wrong.append((name, error.code, str(error)))
        wrong += _bad_email(object_type, values)
        values |= _from_headers(values, wrong)
        if wrong:
            raise bad_values(wrong)
        try:
            self.portal.check_unique(object_type, record.id if record else None, values)
        except TakenError as error:
            raise _taken(error) from None
        self._ask_rules(object_type, {**(record.properties if record else {}), **values})
        return values

    def _ask_rules(self, object_type: str, properties: Mapping[str, str | None]) -> None:
        """The administrator's validation rules (changelog of 2026-08-11). Raises RefusedError (400)."""
        for rule in self.options.validation_rules:
            complaint = rule(object_type, properties)
            if complaint:
                raise invalid(complaint, code="VALIDATION_RULE", context={"objectType": [object_type]})


def _bad_email(object_type: str, values: Mapping[str, str | None]) -> list[tuple[str, str, str]]:
    email = values.get("email")
    if object_type != "contacts" or email is None or EMAIL.fullmatch(email.strip()):
        return []
    return [("email", "INVALID_EMAIL", f"Email address {email} is invalid")]


def _from_headers(
    values: Mapping[str, str | None], wrong: list[tuple[str, str, str]]
) -> dict[str, str | None]:
    """The properties HubSpot reads out of hs_email_headers, which is JSON; into ``wrong`` where it is not."""
    headers = values.get("hs_email_headers")
    if headers is None:
        return {}
    try:
        told = json.loads(headers)
        ends = {"from": told.get("from") or {}, "to": (told.get("to") or [{}])[0]}
        return {
            f"hs_email_{end}_{name.lower()}": who.get(name) or None
            for end, who in ends.items()
            for name in ("email", "firstName", "lastName")
        }
    except (ValueError, AttributeError, LookupError, TypeError):
        wrong.append(("hs_email_headers", "INVALID_JSON", "hs_email_headers is not the JSON of headers"))
        return {}


def _taken(error: TakenError) -> Exception:
    what = SINGULAR[error.object_type].capitalize()
    if error.name != "email":
        what = f"{what} with this {error.name}"
    return conflict(error.existing_id, what)


def trace_of(given: Mapping[str, Any]) -> str | None:
    """The objectWriteTraceId of an input, if it has one. Raises RefusedError (400)."""
    trace = given.get("objectWriteTraceId")
    if trace is not None and not isinstance(trace, str):
        raise invalid("Invalid input JSON: objectWriteTraceId must be a string")
    return trace
