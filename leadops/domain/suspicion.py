"""Which words of a stranger must not be repeated in a message of ours. Pure predicates over one line of text.

Better ten harmless values too many refused than one bad one let through: the price of a refusal is a
neutral phrase. Judged on the compatibility form (NFKC, case folded), so that look-alike letters count as
what they look like.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_PUNCTUATION = frozenset("-‐–'’ʼ&+.,/()#·:!?\"%;・")
# Letters and marks by category that draw nothing at all.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {chr(c) for c in range(0x180B, 0x1810)}
_BLANK |= {chr(c) for c in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
_MOST_MARKS_IN_A_ROW = 3
_MOST_WORDS = 12
_MOST_DIGITS = 4

_LINK = re.compile(
    r"//|\\|@|www\.|\b(?:https?|hxxps?|ftp|mailto|tel|javascript|data)\s*:"
    r"|[^\W_][.。．｡]\s?[^\W\d_]{2,}\s*/|[^\W_][.。．｡][^\W\d_]{2}"
    r"|\b(?:dot|\(dot\)|\[dot\]|punkt)\s+(?:com|net|org|io|de|ru|info|xyz)\b"
    r"|[(\[]\s*(?:at|dot|punkt)\s*[)\]]|\bslash\b"
)
_MONEY = r"(?:usd|eur|gbp|chf|cad|aud|inr|jpy|euros?|dollars?|pounds?|bucks|francs?|yen|rubles?|rupees?)"
_DIGIT = r"(?:zero|one|two|three|four|five|six|seven|eight|nine)"
_PRICE = re.compile(
    rf"\d[\d.,]*\s?(?:k\s?)?{_MONEY}\b|\b{_MONEY}\s?\d"
    r"|\d\s?k?\s?(?:per|a|an|each|every|/)\s?(?:month|year|week|day|seat|user|head)\b"
    r"|\b1-8\d\d\b|\bhalf[- ]price\b|\b(?:percent|per cent)\s+off\b"
)
# A number said in words, or letters set apart so that no list finds the word.
_SPELT = re.compile(rf"(?:\b{_DIGIT}\b[\s-]*){{3,}}|(?:\b[^\W\d_]\b[\s.-]+){{3,}}[^\W\d_]\b")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")
_SENTENCE = re.compile(r"[^\W\d_]{5,}[.]\s|[!?;:]\s*\S|[。！？]")

_ORDERS = re.compile(
    r"\b(?:ignor\w*|disregard\w*|forget|overrid\w*|overrul\w*|bypass\w*|pretend|jailbreak\w*"
    r"|oublie[rz]?|olvid\w+|vergiss|vergessen|dimentica|esque[cç]a|desconsidere|игнорир\w+|забудь\w*)\b"
    r"|忽略|无视|無視|忘记"
    r"|\b(?:you are|you're|you must|you should|you will|act as|from now on|as an? (?:ai|assistant|llm))\b"
    r"|\b(?:system|developer|assistant|hidden)\s+(?:prompt|message|instruction|role)"
    r"|\b(?:prompt|instructions?|placeholder|template)\b"
    r"|^(?:please\s+)?(?:say|write|tell|mention|claim|state|output|print|repeat|translate|reply|respond"
    r"|answer|send|click|call|visit|confirm|verify|add|put|fill|insert|include|append|begin|end|stop|unsubscribe)\b"
    r"|\b(?:and|then|also|please|to|must|always|never|just|instead|,)\s+"
    r"(?:say|write|tell|mention|claim|state|output|print|repeat|reply|respond|click|confirm|append)\b"
)
_PROMISES = re.compile(
    r"\b(?:guarantee\w*|garanti\w*|approved|fda|certified|refund\w*|discount\w*|rabatt\w*|gratis|kostenlos\w*"
    r"|gratuit\w*|for free|free (?:gift|money|trial|of charge)|winner|you(?:'ve| have)? won|prize|lottery"
    r"|congratulations|bitcoin|btc|crypto|casino|viagra|invest now|wire transfer|bank account|password"
    r"|urgent\w*|verify your|your account|suspended|opt[- ]?out|unsubscrib\w*|endorse\w*|recommend\w* by"
    r"|security (?:alert|notice|warning)|wire (?:it|to))\b|%\s*off\b"
)


def is_visible_line(text: str) -> bool:
    """True where the text is one line of characters that can be seen: no control, direction or zero width."""
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        if category in ("Mn", "Me"):
            marks += 1
            if category == "Me" or marks > _MOST_MARKS_IN_A_ROW:
                return False
        else:
            marks = 0
        if char in _BLANK or not (
            category[0] == "L" or category in ("Mn", "Mc", "Nd", "Zs") or _allowed(char)
        ):
            return False
    return True


def _allowed(char: str) -> bool:
    # An allow list: markup, braces, currency, slashes of another kind, symbols and emoji are all out.
    return char in _PUNCTUATION


@lru_cache(maxsize=4_096)  # the same few words of a lead, at every slot they might stand in
def is_suspicious(text: str) -> bool:
    """True where the line may be a link, an address, a number to call, a sentence, an order or a promise."""
    seen = unicodedata.normalize("NFKC", text).casefold()
    # Accents on a letter do not make it another word.
    plain = "".join(c for c in unicodedata.normalize("NFD", seen) if unicodedata.category(c) != "Mn")
    if any(c in seen for c in "<>{}[]|\\`^~*_=$\n\r"):
        return True  # a wide form of what the allow list keeps out
    return (
        bool(_LINK.search(seen))
        or bool(_SENTENCE.search(seen))
        or bool(_PRICE.search(seen) or _SPELT.search(seen))
        or has_mixed_scripts(text)
        or len(seen.split()) > _MOST_WORDS
        or _is_number(seen)
        or not any(c.isalnum() for c in seen)
        or any(pattern.search(form) for pattern in (_ORDERS, _PROMISES) for form in (seen, plain))
    )


def has_mixed_scripts(text: str) -> bool:
    """True where one word has letters of two alphabets that look alike: Latin, Cyrillic, Greek."""
    return any(len(_alphabets(word)) > 1 for word in text.split())


def _alphabets(word: str) -> set[str]:
    names = (unicodedata.name(char, "") for char in word if char.isalpha() and char != "µ")
    return {script for name in names for script in _SCRIPTS if name.startswith(script)}


def _is_number(text: str) -> bool:
    digits = sum(c.isdigit() for c in text)
    letters = sum(c.isalpha() for c in text)
    return digits > _MOST_DIGITS or (digits > 2 and digits > letters)


def is_name(text: str) -> bool:
    """True where only letters (of any script), their marks, hyphen, apostrophe and space occur."""
    return all(c in "-‐'’ʼ ·・" or unicodedata.category(c)[0] in "LM" for c in text) and any(
        c.isalpha() for c in text
    )
