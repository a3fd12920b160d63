"""HubSpot's error bodies. What is raised inside and the JSON that goes out.

https://developers.hubspot.com/docs/api-reference/latest/error-handling
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from leadops.sandbox.frame import Answer

NOBODYS_FAULT = frozenset({404, 409, 500, 502, 503, 504})
"""Refusals that do not say the asker broke a rule, unless they carry ``is_breach``."""


class RefusedError(Exception):
    """The vendor would refuse. ``errors`` and ``context`` as in the body; ``more``: further members."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        context: Mapping[str, Any] | None = None,
        is_breach: bool | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.errors = [dict(each) for each in errors]
        self.context = dict(context or {})
        self.more = more
        self.is_breach = status not in NOBODYS_FAULT if is_breach is None else is_breach

    def item(self, trace_id: str | None = None) -> dict[str, Any]:
        """As one entry of a multi-status answer's ``errors``."""
        context = self.context | ({"objectWriteTraceId": [trace_id]} if trace_id is not None else {})
        said: dict[str, Any] = {"status": "error", "category": self.category, "message": self.message}
        if self.errors:
            said["errors"] = self.errors
        return {**said, "context": context, **self.more}

    def body(self, correlation_id: str) -> dict[str, Any]:
        said: dict[str, Any] = {
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id,
        }
        if self.errors:
            said["errors"] = self.errors
        if self.context:
            said["context"] = self.context
        return {**said, "category": self.category, **self.more}

    def answer(self, correlation_id: str, headers: Mapping[str, str] | None = None) -> Answer:
        problems = (f"{self.status} {self.category}: {self.message}",) if self.is_breach else ()
        return Answer.of(self.status, self.body(correlation_id), headers, problems)


def invalid(message: str, *, code: str = "", context: Mapping[str, Any] | None = None) -> RefusedError:
    """400 for a request that is not as described."""
    errors: list[dict[str, Any]] = []
    if code or context:
        errors = [{"message": message, **({"code": code} if code else {}), "context": dict(context or {})}]
    return RefusedError(400, "VALIDATION_ERROR", message, errors=errors)


def bad_values(found: Sequence[tuple[str, str, str]]) -> RefusedError:
    """400 for property values: (property, code, message) each."""
    listed = [
        {"isValid": False, "message": said, "error": code, "name": name, "localizedErrorMessage": said}
        for name, code, said in found
    ]
    errors = [
        {"message": said, "code": code, "context": {"propertyName": [name]}} for name, code, said in found
    ]
    text = json.dumps(listed, ensure_ascii=False, separators=(",", ":"))
    return RefusedError(400, "VALIDATION_ERROR", f"Property values were not valid: {text}", errors=errors)


def not_found(message: str = "resource not found") -> RefusedError:
    """404 for a record that is not there."""
    return RefusedError(404, "OBJECT_NOT_FOUND", message)


def no_route(method: str, path: str) -> RefusedError:
    """404 for an address HubSpot does not have (or not under a date version)."""
    return RefusedError(404, "NOT_FOUND", f"no resource at {method} {path}", is_breach=True)


def unauthenticated() -> RefusedError:
    """401."""
    said = (
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
        "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
    )
    return RefusedError(401, "INVALID_AUTHENTICATION", said)


def missing_scopes(scopes: Sequence[str]) -> RefusedError:
    """403 that names the scopes."""
    return RefusedError(
        403,
        "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes "
        "here: https://developers.hubspot.com/scopes.",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
        links={"scopes": "https://developers.hubspot.com/scopes"},
    )


def too_many(policy: str) -> RefusedError:
    """429. ``policy``: SECONDLY, TEN_SECONDLY_ROLLING or DAILY."""
    return RefusedError(
        429,
        "RATE_LIMITS",
        f"You have reached your {policy.lower()} limit.",
        errorType="RATE_LIMIT",
        policyName=policy,
    )


def conflict(existing_id: str, what: str = "Contact") -> RefusedError:
    """409 for a value that must be unique."""
    return RefusedError(409, "CONFLICT", f"{what} already exists. Existing ID: {existing_id}")


def of_status(status: int) -> RefusedError | None:
    """The vendor's usual refusal of a status, for faults made on purpose; None: an HTML page."""
    usual = {
        400: invalid("Invalid input JSON on line 1, column 1: Unexpected character"),
        401: unauthenticated(),
        403: missing_scopes(["crm.objects.contacts.read"]),
        404: not_found(),
        409: conflict("99501"),
        415: RefusedError(415, "VALIDATION_ERROR", "Unsupported Media Type"),
        422: RefusedError(422, "VALIDATION_ERROR", "The request could not be processed."),
        423: RefusedError(423, "LOCKED", "The record is locked by another write."),
        429: too_many("TEN_SECONDLY_ROLLING"),
        477: RefusedError(477, "MIGRATION_IN_PROGRESS", "The account is moving between data centres."),
        500: RefusedError(500, "INTERNAL_ERROR", "internal error"),
    }
    return usual.get(status)


def html(status: int) -> Answer:
    """What the edge in front of HubSpot answers when nothing behind it does."""
    page = (
        f"<html><head><title>{status}</title></head><body><h1>{status} Service Unavailable</h1></body></html>"
    )
    return Answer(status, page.encode(), {"content-type": "text/html; charset=UTF-8"})
