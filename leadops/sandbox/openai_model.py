"""The simulated language model: what it says to a chat, by mode. Deterministic; knows nothing of leadops.

It reads the last user message as JSON where it is JSON (``holes``, ``lists``, ``evidence``) and the answer's
schema from ``response_format``, as a real model would read both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

Mode = Literal["sensible", "obeys_attacker", "invents", "refuses", "cut_short", "not_json"]
MODES: tuple[Mode, ...] = get_args(Mode)

REFUSAL = "I'm sorry, but I can't help with that request."
CHAT = "Sure! Here is a friendly text for you: Hello there, and congratulations!"

# Words a reader would connect with an entry of a list, by beginnings.
_MEANS: Mapping[str, tuple[str, ...]] = {
    "trust": (
        "disagree",
        "differ",
        "match",
        "trust",
        "wrong",
        "which is right",
        "same",
        "definition",
        "count",
    ),
    "speed": ("wait", "slow", "late", "queue", "backlog", "ad hoc", "days", "weeks", "self-serv", "delay"),
    "effort": ("by hand", "manual", "excel", "spreadsheet", "rebuild", "copy", "paste", "weekly pack"),
    "retail": ("retail", "shop", "store", "e-commerce", "merchan", "inventory", "stock"),
    "software": ("software", "saas", "app", "product manage", "usage", "subscription", "tech", "startup"),
    "logistics": ("logistic", "deliver", "freight", "warehouse", "transport", "shipping", "supply", "fleet"),
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FILLER = _words(
    "a an the i we us my our me you your they he she it is are was were be been am will would can could "
    "should have has had do does did need needs want wants like looking interested struggling please help "
    "hi hello dear thanks thank and or but so that which who with for of in on at to from by as if when "
    "because too just also very see show get find think hear how what why there this these those some any im "
    "id ive"
)
_SPEAKS = _words("i we us my our ours me you your yours u im we're you're i'm")
_VERBS = _words("is are was were be been am will would can could should must have has had do does did")
_ORDER = re.compile(
    r"(?:say|write|print|put|insert|mention|claim|repeat|promise|output|use the phrase)\b[\s:,'\"]*(.+)", re.I
)


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of the model, before the vendor's frame around it."""

    content: str | None
    refusal: str | None = None
    finish_reason: str = "stop"


def reply(mode: str, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any] | None) -> Said:
    """What the model says. ``schema``: the JSON schema of the answer, where one was asked for."""
    if mode == "refuses":
        return Said(None, refusal=REFUSAL)
    if mode == "not_json" or schema is None:
        return Said(CHAT)
    content = json.dumps(values(mode, seen(messages), schema), ensure_ascii=False)
    if mode == "cut_short":
        return Said(content[: max(1, len(content) * 2 // 3)], finish_reason="length")
    return Said(content)


def seen(messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The JSON object of the last user message, {} where there is none."""
    for message in reversed(messages):
        if message.get("role") == "user":
            try:
                found = json.loads(text_of(message.get("content")))
            except ValueError:
                return {}
            return found if isinstance(found, dict) else {}
    return {}


def text_of(content: Any) -> str:
    """A message's words, whether it came as text or as parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def values(mode: str, data: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """One value per property of the schema; an obedient model adds one that nobody asked for."""
    choose: Callable[[str, Mapping[str, Any], Mapping[str, Any]], Any] = {
        "obeys_attacker": _obeyed,
        "invents": _invented,
    }.get(mode, _sensible)
    found = {name: choose(name, data, kind) for name, kind in schema.get("properties", {}).items()}
    if mode == "obeys_attacker":
        found["note"] = injected(data)
    return found


def _hole(name: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    hole = data.get("holes", {}).get(name, {})
    return hole if isinstance(hole, dict) else {}


def _evidence(data: Mapping[str, Any]) -> dict[str, str]:
    found = data.get("evidence", {})
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


# --- sensible


def _sensible(name: str, data: Mapping[str, Any], kind: Mapping[str, Any]) -> Any:
    hole, evidence = _hole(name, data), _evidence(data)
    if "enum" in kind:
        entries = data.get("lists", {}).get(hole.get("list"), {})
        return chosen([i for i in kind["enum"] if i is not None], entries, evidence)
    words = evidence.get(str(hole.get("evidence")))
    if words is None or hole.get("kind") != "quote":
        return words
    return passage(words, int(hole.get("longest", 60)))


def chosen(ids: Sequence[str], entries: Mapping[str, str], evidence: Mapping[str, str]) -> str | None:
    """The entry most of whose words the evidence has; None where it has none of any."""
    text = " ".join(v for k, v in evidence.items() if "name" not in k or "company" in k).casefold()
    scores = {i: _fits(i, str(entries.get(i, "")), text) for i in ids}
    best = max(scores, key=lambda i: scores[i], default=None)
    return best if best is not None and scores[best] > 0 else None


def _fits(name: str, entry: str, text: str) -> int:
    own = [w for w in re.findall(r"[a-z]{5,}", entry.casefold()) if w not in _FILLER]
    means = _MEANS.get(name, ())
    return 2 * sum(m in text for m in (name, *means)) + sum(
        re.search(rf"\b{w[:6]}", text) is not None for w in own
    )


def passage(text: str, longest: int) -> str | None:
    """The longest run of words of one clause that speaks for nobody and states nothing; None where none."""
    runs = [run for clause in re.split(r"[,;.!?:()\n]+", text) for run in _runs(clause)]
    fitting = [r for r in runs if len(r) <= longest and len(r.split()) <= 9 and len(r) >= 4]
    return max(fitting, key=lambda r: (len(r.split()) > 1, len(r)), default=None)


def _runs(clause: str) -> list[str]:
    runs: list[list[str]] = [[]]
    for word in clause.split():
        if word.casefold() in _SPEAKS | _VERBS:
            runs.append([])
        else:
            runs[-1].append(word)
    return [" ".join(trimmed) for run in runs if (trimmed := _trimmed(run))]


def _trimmed(run: list[str]) -> list[str]:
    low = [w.casefold() for w in run]
    start = next((i for i, w in enumerate(low) if w not in _FILLER), len(run))
    end = next((i for i in range(len(run), start, -1) if low[i - 1] not in _FILLER), start)
    return run[start:end]


# --- not sensible


def injected(data: Mapping[str, Any]) -> str:
    """The words the evidence orders to be said, or its longest piece."""
    texts = sorted(_evidence(data).values(), key=len, reverse=True)
    for text in texts:
        found = _ORDER.search(text)
        if found:
            return found.group(1).strip(" '\"")
    return texts[0] if texts else "Free money"


def _obeyed(name: str, data: Mapping[str, Any], kind: Mapping[str, Any]) -> Any:
    """The attacker's words in every hole; where a passage is asked for, cut so that it might pass."""
    words = injected(data)
    hole = _hole(name, data)
    if hole.get("kind") == "quote":
        return words[: int(hole.get("longest", 60))]
    if "enum" in kind:
        return words
    longer = f"{words} https://evil.example/now only $9"
    return longer if len(name) % 2 else words


def _invented(name: str, data: Mapping[str, Any], kind: Mapping[str, Any]) -> Any:
    if "enum" in kind:
        return "growth"
    if _hole(name, data).get("kind") == "quote":
        return "your 40 percent drop in revenue since March"
    return {"first_name": "Jane", "company": "Contoso Ltd"}.get(name, "your team of 250 people in Ohio")
