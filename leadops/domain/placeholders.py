"""Texts with which forms, CRMs and spreadsheets say that nothing was said."""

PLACEHOLDERS = frozenset(
    {
        "", "select", "n/a", "na", "n.a.", "none", "null", "nil", "nan", "(blank)", "blank", "(none)",
        "(null)", "unknown", "(unknown)", "-", "--", "?", ".", "not available", "not specified",
        "not provided", "not set", "(not set)", "(not provided)", "undefined", "please select", "choose",
        "tbd", "#n/a",
    }
)  # fmt: skip
"""Casefolded, single spaces."""


def is_placeholder(text: str) -> bool:
    """Whether a text, as it was typed, says nothing."""
    return " ".join(text.split()).casefold() in PLACEHOLDERS
