"""The vendor's own OpenAPI description, asked at run time whether a request or an answer keeps it.

Where the vendor's API is known to differ from its description, the API is followed:

* ``custom_args`` of the message is an object, not a string: the API answers a string with "Invalid type.
  Expected: object, given: string." (sendgrid-nodejs#288).
* ``nullable`` is a word of OpenAPI 3.0 that 3.1 does not know; it is read as meant.
* ``help`` of an error is a link or null, not an object (sendgrid-php#793, sendgrid-csharp#995).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from email_validator import EmailNotValidError, validate_email
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html"
MAIL, SUPPRESSIONS = "sendgrid-mail.json", "sendgrid-suppressions.json"
_SEND = "/components/requestBodies/PostMailSend/content/application~1json/schema"
_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}

_formats = FormatChecker(formats=())


@_formats.checks("email", raises=EmailNotValidError)
def _is_email(value: object) -> bool:
    if isinstance(value, str):
        validate_email(value, check_deliverability=False, globally_deliverable=False)
    return True


def document(name: str, as_written: bool = False) -> dict[str, Any]:
    """A vendored description, with the exceptions above applied unless ``as_written``."""
    text = files("leadops.sandbox").joinpath("contracts", name).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    if not as_written:
        _apply_exceptions(found)
    return found


def _apply_exceptions(found: dict[str, Any]) -> None:
    bodies = found["components"].get("requestBodies", {})
    if "PostMailSend" in bodies:
        schema = bodies["PostMailSend"]["content"]["application/json"]["schema"]
        schema["properties"]["custom_args"] = {"type": "object"}
    one = found["components"]["schemas"]["ErrorResponse"]["properties"]["errors"]["items"]["properties"]
    one["field"]["type"] = ["string", "null"]
    one["help"]["type"] = ["string", "object", "null"]


@cache
def validator(name: str, pointer: str, as_written: bool = False) -> Draft202012Validator:
    """A compiled validator for one place of a description, a JSON pointer."""
    found = document(name, as_written)
    registry: Registry[Any] = Registry().with_resource(f"urn:{name}", DRAFT202012.create_resource(found))
    return Draft202012Validator({"$ref": f"urn:{name}#{pointer}"}, registry=registry, format_checker=_formats)


def request_problems(request: Any) -> list[tuple[str, str]]:
    """What of the description a request for POST /v3/mail/send does not keep: (field, message), in order."""
    errors: Iterable[ValidationError] = validator(MAIL, _SEND).iter_errors(request)
    return sorted({_in_their_words(error) for error in errors})


def answer_problems(
    name: str, path: str, method: str, status: int, value: Any, as_written: bool = False
) -> list[str] | None:
    """How an answer departs from what is described for it; None: nothing is described for this status."""
    described: Mapping[str, Any] = document(name)["paths"][path][method]["responses"].get(str(status), {})
    if "$ref" in described:
        pointer = described["$ref"].lstrip("#") + "/content/application~1json/schema"
    elif "content" in described:
        escaped = path.replace("~", "~0").replace("/", "~1")
        pointer = f"/paths/{escaped}/{method}/responses/{status}/content/application~1json/schema"
    else:
        return None
    return [error.message for error in validator(name, pointer, as_written).iter_errors(value)]


def _in_their_words(error: ValidationError) -> tuple[str, str]:
    """(field, message) as the vendor puts it where its wording is known."""
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "required":
        missing = error.message.split("'")[1]
        return f"{path}.{missing}".lstrip("."), _missing(missing)
    words = {
        "type": f"Invalid type. Expected: {error.validator_value}, given: {_type_of(error.instance)}.",
        "format": "Does not contain a valid address.",
        "maxItems": f"There must be no more than {error.validator_value} items.",
        "minLength": "The value must be a string at least one character in length.",
        "uniqueItems": "The items must be unique.",
    }
    if error.validator == "minLength" and path.startswith("content."):
        return path, "The content value must be a string at least one character in length."
    if error.validator == "minLength" and path.endswith("subject"):
        return path, "The subject of your email must be a string at least one character in length."
    return path, words.get(str(error.validator), f"Must be valid: {error.validator} {error.validator_value}")


def _missing(name: str) -> str:
    return {
        "from": "The from object must be provided for every email send. It is an object that requires the "
        "email parameter, but may also contain a name parameter.",
        "personalizations": "The personalizations field is required and must have at least one "
        "personalization.",
        "to": "The to array is required for all personalization objects, and must have at least one email "
        "object with a valid email address.",
    }.get(name, f"{name} is required")


def _type_of(value: object) -> str:
    return _JSON_TYPES.get(type(value), "null")
