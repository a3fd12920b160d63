"""OpenAI as a simulated provider: chat completions with structured output, and the list of models.

Requests are checked against the vendor's description (``contracts/openai-chat.json``) and against what the
vendor refuses without describing it: unknown parameters, strict schemas that are open, limits of a model.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from leadops.sandbox import openai_model
from leadops.sandbox.frame import Answer, Ask, Clock, Provider
from leadops.sandbox.openai_model import Said
from leadops.sandbox.openai_rules import Refused, check

MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "o4-mini", "gpt-5-mini")
CHAT, LIST = "/v1/chat/completions", "/v1/models"
_OWNED_SINCE = 1715367049
_ID = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

QUOTA = json.dumps(
    {
        "error": {
            "message": "You exceeded your current quota, please check your plan and billing details.",
            "type": "insufficient_quota",
            "param": None,
            "code": "insufficient_quota",
        }
    }
)
"""Body of a 429 that does not pass: give it as a fault's ``body``."""

# status: (message, type, code), as the vendor words them.
_REFUSALS: Mapping[int, tuple[str, str, str | None]] = {
    400: ("Invalid request.", "invalid_request_error", None),
    401: (
        "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.",
        "invalid_request_error",
        "invalid_api_key",
    ),
    403: (
        "Country, region, or territory not supported",
        "request_forbidden",
        "unsupported_country_region_territory",
    ),
    404: (
        "The model does not exist or you do not have access to it.",
        "invalid_request_error",
        "model_not_found",
    ),
    409: ("The resource was updated by another request.", "invalid_request_error", None),
    422: ("Unable to process the request despite the format being correct.", "invalid_request_error", None),
    429: (
        "Rate limit reached for gpt-4o on requests per min (RPM): Limit 500, Used 500, Requested 1.",
        "requests",
        "rate_limit_exceeded",
    ),
    500: ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    503: (
        "The engine is currently overloaded, please try again later.",
        "service_unavailable_error",
        "overloaded",
    ),
}


@cache
def validator(name: str) -> Draft202012Validator:
    """Of one type of the vendor's description; compiled once."""
    text = files("leadops.sandbox").joinpath("contracts", "openai-chat.json").read_text(encoding="utf-8")
    return Draft202012Validator({**json.loads(text), "$ref": f"#/$defs/{name}"})


class OpenAISandbox(Provider):
    """``mode`` is how the simulated model behaves, see ``openai_model.MODES``; it may change at any time."""

    name = "openai"

    def __init__(
        self,
        clock: Clock,
        key: str,
        seed: int = 7,
        *,
        mode: str = "sensible",
        models: Sequence[str] = MODELS,
    ) -> None:
        super().__init__(clock, seed)
        self.key = key
        self.mode = mode
        self.models = tuple(models)

    def handle(self, ask: Ask) -> Answer:
        try:
            self._authorise(ask)
            return self._route(ask)
        except Refused as refused:
            return self._error(
                refused.status, refused.message, "invalid_request_error", refused.code, refused.param
            )

    def refusal(self, status: int) -> Answer:
        message, kind, code = _REFUSALS.get(status, (f"Error {status}.", "server_error", None))
        headers = {"retry-after-ms": "1000", "retry-after": "1"} if status == 429 else {}
        return self._error(status, message, kind, code, None, headers)

    def _authorise(self, ask: Ask) -> None:
        scheme, _, key = ask.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not key:
            raise Refused(401, "You didn't provide an API key. Provide it in an Authorization header.", None)
        if not hmac.compare_digest(key.encode(), self.key.encode()):
            raise Refused(401, _REFUSALS[401][0], "invalid_api_key")

    def _route(self, ask: Ask) -> Answer:
        if ask.path == CHAT:
            return self._only("POST", ask, self._chat)
        if ask.path == LIST:
            return self._only("GET", ask, lambda _: self._listed())
        if ask.path.startswith(f"{LIST}/"):
            return self._only("GET", ask, lambda a: self._model(unquote(a.path.removeprefix(f"{LIST}/"))))
        raise Refused(404, f"Invalid URL ({ask.method} {ask.path})", None)

    @staticmethod
    def _only(method: str, ask: Ask, handler: Callable[[Ask], Answer]) -> Answer:
        if ask.method != method:
            raise Refused(405, f"Not allowed to {ask.method} on {ask.path}.", "method_not_supported")
        return handler(ask)

    def _listed(self) -> Answer:
        return self._ok({"object": "list", "data": [_model(name) for name in self.models]})

    def _model(self, name: str) -> Answer:
        self._known(name)
        return self._ok(_model(name))

    def _known(self, name: object) -> None:
        if name not in self.models:
            message = f"The model `{name}` does not exist or you do not have access to it."
            raise Refused(404, message, "model_not_found", "model")

    def _chat(self, ask: Ask) -> Answer:
        try:
            body = ask.json()
        except ValueError:
            raise Refused(400, "We could not parse the JSON body of your request.", None) from None
        error = best_match(validator("CreateChatCompletionRequest").iter_errors(body))
        if error is not None:
            where = ".".join(str(part) for part in error.absolute_path)
            raise Refused(400, f"Invalid value for '{where}': {error.message[:200]}", "invalid_value", where)
        self._known(body["model"])
        schema = check(body, _parameters())
        return self._ok(self._completion(body, openai_model.reply(self.mode, body["messages"], schema)))

    def _completion(self, body: Mapping[str, Any], said: Said) -> dict[str, Any]:
        asked = _tokens(json.dumps(body.get("response_format", ""))) // 2
        asked += sum(4 + _tokens(openai_model.text_of(m.get("content"))) for m in body["messages"])
        answered = _tokens(said.content or said.refusal or "")
        message: dict[str, Any] = {
            "role": "assistant",
            "content": said.content,
            "refusal": said.refusal,
            "annotations": [],
        }
        return {
            "id": f"chatcmpl-{''.join(self._chance.choices(_ID, k=29))}",
            "object": "chat.completion",
            "created": int(self.clock().timestamp()),
            "model": body["model"],
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish_reason}
            ],
            "usage": {
                "prompt_tokens": asked,
                "completion_tokens": answered,
                "total_tokens": asked + answered,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": 0,
                    "audio_tokens": 0,
                    "accepted_prediction_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
            },
            "service_tier": "default",
            "system_fingerprint": "fp_sandbox",
        }

    def _ok(self, value: Mapping[str, Any]) -> Answer:
        return Answer.of(200, value, self._headers())

    def _error(
        self,
        status: int,
        message: str,
        kind: str,
        code: str | None,
        param: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        error = {"message": message, "type": kind, "param": param, "code": code}
        problems = (message,) if status == 400 else ()
        return Answer.of(status, {"error": error}, {**self._headers(), **(headers or {})}, problems)

    def _headers(self) -> dict[str, str]:
        return {"x-request-id": f"req_{self._chance.getrandbits(128):032x}", "openai-processing-ms": "12"}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _OWNED_SINCE, "owned_by": "system"}


@cache
def _parameters() -> frozenset[str]:
    """Every parameter the description names for a chat completion."""
    defs = validator("CreateChatCompletionRequest").schema["$defs"]  # type: ignore[index]
    found: set[str] = set()
    todo = ["CreateChatCompletionRequest"]
    while todo:
        schema = defs[todo.pop()]
        for part in (schema, *schema.get("allOf", ())):
            found |= set(part.get("properties", ()))
            if "$ref" in part:
                todo.append(part["$ref"].rpartition("/")[2])
    return frozenset(found)


def _tokens(text: str) -> int:
    """Roughly what a tokenizer counts: four bytes of text each."""
    return (len(text.encode()) + 3) // 4
