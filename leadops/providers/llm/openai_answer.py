"""What a language model's service answered, or why it did not: pure reading, nothing is trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leadops.playbook.ends import Writer
from leadops.playbook.model import Template

LONGEST_ANSWER = 20_000
"""Characters; an answer to a closed schema never comes near."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``values`` by slot, or the code why there are none; tokens as billed, in and out."""

    values: Mapping[str, object] | None
    reason: str = ""
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

    def cost_usd(self, prices: Writer) -> float:
        """US dollars at the playbook's prices."""
        dear = self.tokens_in * prices.usd_per_million_input + self.tokens_out * prices.usd_per_million_output
        return dear / 1_000_000


def read(raw: object, template: Template) -> Reading:
    """A chat completion as decoded JSON. Reasons: openai_refusal, _length, _filter, _garbage.

    Tokens count whatever became of the words: they were billed.
    """
    body = raw if isinstance(raw, dict) else {}
    tokens = _tokens(body)
    choice = _first(body.get("choices"))
    message = choice.get("message")
    finish = choice.get("finish_reason")
    if not isinstance(message, dict):
        return Reading(None, "openai_garbage", *tokens)
    if message.get("refusal"):
        return Reading(None, "openai_refusal", *tokens)
    if finish in ("length", "content_filter"):
        return Reading(None, "openai_length" if finish == "length" else "openai_filter", *tokens)
    values = _values(message.get("content"))
    if values is None or not set(template.slots) <= set(values):
        return Reading(None, "openai_garbage", *tokens)
    return Reading(values, "", *tokens)


def _tokens(body: Mapping[str, Any]) -> tuple[int, int]:
    usage = body.get("usage")
    found = usage if isinstance(usage, dict) else {}
    return _count(found.get("prompt_tokens")), _count(found.get("completion_tokens"))


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0


def _first(choices: object) -> Mapping[str, Any]:
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return {}


def _values(content: object) -> dict[str, object] | None:
    if not isinstance(content, str) or len(content) > LONGEST_ANSWER:
        return None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def reason_of_status(status: int, code: object) -> str:
    """The code of an HTTP error. ``code`` is the vendor's own, from the body; anything may stand there.

    https://platform.openai.com/docs/guides/error-codes: insufficient_quota comes as 429 and does not pass.
    """
    if status == 401:
        return "openai_key"
    if status == 429 and code in ("insufficient_quota", "billing_hard_limit_reached"):
        return "openai_quota"
    return f"openai_{status}"


PASSING = frozenset(f"openai_{status}" for status in (408, 409, 429, 500, 502, 503, 504)) | {
    "openai_connection"
}
"""Worth one more try, if there is time. A timeout is not: it took its time, and may have been billed."""

ITEM = frozenset({"openai_400", "openai_409", "openai_413", "openai_422"})
"""Says something about one request, nothing about the service."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the service asks to wait, None where it does not say (a date counts as not said)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    return None
