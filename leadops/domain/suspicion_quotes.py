"""Which of a stranger's words must not be *quoted* in a message of ours. Pure predicates.

Stricter than ``suspicion.py``: a name or a topic stands in our sentence as theirs, a passage of free text
might be read as something we say. So a passage names a thing and states nothing: no I, we or you (in our
mouth they would mean somebody else), no "is" or "will", no praise, no price. A text that talks to a machine
is not quoted at all, whichever passage of it was chosen.
"""

from __future__ import annotations

import re
import unicodedata

_LONGEST_WORD = 30

# Talks to whoever fills in the mail: orders to a machine, talk of its parts, roles, forged ends of data.
_TO_MACHINE = re.compile(
    r"\b(?:ignor\w*|disregard\w*|overrid\w*|overrul\w*|bypass\w*|jailbreak\w*|pretend)\b"
    r"|\bforget\s+(?:\w+\s+){0,2}(?:instruction|rule|prompt|above|everything|all)"
    r"|\b(?:oublie[rz]?|olvid\w+|vergiss|dimentica|esque[cç]a|desconsidere|zignoruj|игнорир\w+|забудь\w*)\b"
    r"|忽略|无视|無視|忘记|تجاهل"
    r"|\b(?:you are now|from now on|act as|as an? (?:ai|assistant|llm|language model))\b"
    r"|\bnew (?:rule|polic|instruct)"
    r"|\b(?:prompt|instructions?|anweisung\w*|consignes?|instrucciones|istruzioni|placeholder|jailbreak)\b"
    r"|\b(?:system|assistant|developer|user|tool|admin|administrator)\s*(?:message|prompt|result|role|note)?\s*:"
    r"|\b(?:the|this|every|each|all|any)\s+(?:assistant|chatbot|bot|ai|llm|language model|system message)\b"
    r"|\b(?:every|each|all|any)\s+(?:slot|field|blank|value|hole|gap|variable)s?\b|\b(?:slot|json)s?\b"
    r"|\b(?:end|begin|start)\s+of\s+(?:\w+\s+)?(?:data|message|input|prompt)\b"
    r"|\b(?:i|we)\s+(?:hereby\s+)?(?:authori[sz]e|permit|order|command)\b"
    r"|\b(?:decode|base64|rot13|hex)\b"
    r"|[<\[]\s*\|?\s*/?(?:inst|im_start|im_end|system|assistant|user|s)\b|^\s*#{2,}|```|\]\]>|[{}\\]|\"\s*[:,]"
)
# Tells what is to be said. Judged on the text from its beginning to the end of the passage.
_DICTATES = re.compile(
    r"\b(?:say|says|write|print|repeat|output|mention|claim|promise|state|tell|type|insert|include|contains?"
    r"|add|put|set|use|phrase|words?|text|schreib\w*|sag[et]?|dites?|écri\w+|ecri\w+|di|escrib\w+|napisz"
    r"|напиши\w*|скажи\w*)\b[^.!?\n]{0,60}:"
    r"|\b(?:say|write|print|repeat|promise|put|insert|use the (?:phrase|words?))\b"
)
_SPEAKS = re.compile(
    r"\b(?:i|me|my|mine|we|us|our|ours|you|your|yours|u|ur|y'all|let's|lets|hereby"
    r"|ich|mir|mich|wir|uns|mein\w*|unser\w*|ihnen|ihre?[mnrs]?|dein\w*|euch|euer\w*|nous|vous|notre|nos|votre"
    r"|vos|nosotros|nuestr\w+|usted\w*|vuestr\w+|voi|noi|nostr[oaie]|vostr[oaie])\b"
    r"|\b(?:i|we|you|they|it|he|she|that|there)['’ʼ](?:s|m|ve|ll|d|re)\b"
)
_STATES = re.compile(
    r"\b(?:only|is|are|was|were|be|been|am|will|would|shall|should|must|can|could|may|might|has|have|had|does|did|do"
    r"|isn['’]t|aren['’]t|won|confirm\w*|agree[ds]?|already|signed|named|accept\w*|double[sd]?|triple[sd]?"
    r"|ist|sind|war|waren|wird|werden|hat|haben|est|sont|sera|seront|está|están|são|sono)\b"
)
_PRAISES = re.compile(
    r"\b(?:best|leading|leader|leaders|number one|no\.? ?1|top[- ]rated|cheapest|safest|fastest|greatest"
    r"|award\w*|trusted|certif\w+|approv\w+|recommend\w*|endorse\w*|official\w*|verified|proven|accredited|licen[sc]ed"
    r"|lifetime|unlimited|miracle\w*|cures?|guarant\w*|warrant\w*|compensation|insured|according to"
    r"|free|gifts?|bonus|offer|oferta|descuento|discount\w*|deal|bargain|cheap\w*|promo\w*|voucher|coupon"
    r"|refund\w*|rembours\w*|gratis|gratuit\w*|kostenlos\w*|günstig\w*|rabatt\w*|zugelassen|garan\w+)\b"
)
_HARMS = re.compile(
    r"\b(?:usd|eur|gbp|chf|euros?|dollars?|pounds?|bucks|bitcoin|btc|crypto\w*|wallet|iban|bank account"
    r"|wire|bankrupt\w*|insolven\w*|lawsuit|sued|fraud\w*|scam\w*|brib\w+|stolen|hacked|overdue|unpaid"
    r"|password\w*|passcode|suspend\w*|urgent\w*|alert|invoice from|verify|login|sex\w*|porn\w*|idiots?"
    r"|stupid|kill\w*|die)\b"
)
_NOT = re.compile(
    r"\b(?:no|not|never|nor|neither|without|except|stop|don['’]?t|\w+n['’]t|cannot|kein\w*|nicht|nie|ohne|pas|sans"
    r"|jamais|ni|nunca|sin|non|senza|não|sem)\b"
)
_NOT_AFTER = re.compile(
    r"\b(?:not|no longer|\w+n['’]t|cannot|kein\w*|nicht|pas|non)\b|\b(?:is|are|was|were) (?:no|never)\b"
)
_CLAUSE = re.compile(r"[,;.!?:\n]")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def is_for_machines(text: str) -> bool:
    """True where the whole text may be addressed to a machine, or is hidden from a person's eyes."""
    if any(unicodedata.category(c) in ("Cf", "Co", "Cn", "Cs") for c in text):
        return True
    if any(unicodedata.category(c) == "Cc" and c not in "\r\n\t" for c in text):
        return True
    return any(bool(_TO_MACHINE.search(line)) for line in _plain(text).split("\n"))


def is_unquotable(passage: str, before: str, after: str, own_name: str) -> bool:
    """True where this passage states, praises, threatens or speaks, or where its clause denies it.

    ``before`` and ``after``: the text around it. ``own_name``: ours; what a stranger says of us, we do not.
    """
    seen = _plain(passage)
    if any(p.search(seen) for p in (_SPEAKS, _STATES, _PRAISES, _HARMS)):
        return True
    if own_name and _plain(own_name) in seen:
        return True
    if not _reads_as_latin(passage):
        return True
    if _DICTATES.search(_plain(before)):
        return True
    lead_in, rest = _CLAUSE.split(_plain(before))[-1], _CLAUSE.split(_plain(after))[0]
    # "recommended by the ..." does not become harmless by leaving its first words away.
    if any(p.search(part) for p in (_PRAISES, _HARMS) for part in (lead_in, rest)):
        return True
    return bool(_NOT.search(lead_in) or _NOT_AFTER.search(rest))


def _reads_as_latin(passage: str) -> bool:
    """Only Latin letters, words of a length that people write, and at least one real word."""
    letters = [c for c in passage if c.isalpha()]
    words = passage.split()
    return (
        all(unicodedata.name(c, "").startswith("LATIN") for c in letters)
        and all(len(word) <= _LONGEST_WORD for word in words)
        and any(sum(map(str.isalpha, word)) >= 3 for word in words)
    )
