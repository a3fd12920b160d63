"""What OpenAI refuses although its description allows it; in the vendor's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

MOST_TOKENS = 16_384
_REASONING = ("o1", "o3", "o4", "gpt-5")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Refused(Exception):  # noqa: N818 - what it is
    """The request is refused with this status and error body."""

    def __init__(self, status: int, message: str, code: str | None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param


def check(body: Mapping[str, Any], known: Collection[str]) -> Mapping[str, Any] | None:
    """The schema the answer must have, None where none was asked for. Raises Refused.

    ``known``: the parameters of the description.
    """
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise Refused(400, f"Unrecognized request argument supplied: {unknown[0]}", None)
    _check_limits(body)
    if body.get("stream"):
        raise Refused(400, "The sandbox does not stream.", "unsupported_value", "stream")
    wanted = body.get("response_format") or {}
    if wanted.get("type") != "json_schema":
        return None
    named = wanted["json_schema"]
    if not _NAME.fullmatch(named["name"]):
        raise Refused(
            400,
            f"Invalid 'response_format.json_schema.name': '{named['name']}' does not match the pattern.",
            "invalid_value",
            "response_format.json_schema.name",
        )
    schema: Mapping[str, Any] = named.get("schema", {})
    if named.get("strict"):
        if schema.get("type") != "object":
            _bad_schema(named["name"], "()", "schema must be a JSON Schema of 'type: \"object\"'")
        _check_strict(schema, named["name"], ())
    return schema


def _check_limits(body: Mapping[str, Any]) -> None:
    old, new = body.get("max_tokens"), body.get("max_completion_tokens")
    if old is not None and new is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise Refused(400, message, "invalid_parameter_combination", "max_tokens")
    limit = old if old is not None else new
    if limit is not None and not 1 <= limit <= MOST_TOKENS:
        message = f"max_tokens is too large: {limit}. This model supports at most {MOST_TOKENS}."
        raise Refused(400, message, "invalid_value", "max_tokens" if new is None else "max_completion_tokens")
    if not str(body["model"]).startswith(_REASONING):
        return
    if old is not None:
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead."
        )
        raise Refused(400, message, "unsupported_parameter", "max_tokens")
    if body.get("temperature", 1) not in (1, None):
        message = (
            "Unsupported value: 'temperature' does not support other values than the default (1) "
            "with this model."
        )
        raise Refused(400, message, "unsupported_value", "temperature")


def _check_strict(schema: Any, name: str, context: tuple[str, ...]) -> None:
    """All objects closed, all their properties required: what `strict` demands.

    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    if not isinstance(schema, Mapping):
        return
    kind = schema.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind):
        _check_object(schema, name, context)
    for key, inner in schema.get("properties", {}).items():
        _check_strict(inner, name, (*context, "properties", key))
    _check_strict(schema.get("items"), name, (*context, "items"))
    for index, inner in enumerate(schema.get("anyOf", ())):
        _check_strict(inner, name, (*context, "anyOf", str(index)))
    if "enum" in schema and not schema["enum"]:
        _bad_schema(name, str(context), "[] should be non-empty")
    if not {"type", "anyOf", "$ref", "enum", "const"} & set(schema):
        _bad_schema(name, str(context), "schema must have a 'type' key")


def _check_object(schema: Mapping[str, Any], name: str, context: tuple[str, ...]) -> None:
    if schema.get("additionalProperties") is not False:
        _bad_schema(name, str(context), "'additionalProperties' is required to be supplied and to be false")
    missing = [key for key in schema.get("properties", {}) if key not in schema.get("required", ())]
    if missing:
        _bad_schema(
            name,
            str(context),
            "'required' is required to be supplied and to be an array including every key in properties. "
            f"Missing '{missing[0]}'",
        )


def _bad_schema(name: str, context: str, what: str) -> None:
    raise Refused(
        400,
        f"Invalid schema for response_format '{name}': In context={context}, {what}.",
        None,
        "response_format",
    )
