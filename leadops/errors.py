"""Errors for the person who must act: a code, what happened, which id, what to do. Never a person's data."""

from __future__ import annotations


class LeadopsError(Exception):
    """Base of ours. ``code`` is stable and safe to log; the message is for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UsageError(LeadopsError):
    """Wrong use or configuration: exit code 2."""


class BadInput(LeadopsError):  # noqa: N818 - what it is, as stages say it
    """One item is not acceptable; quarantine or park it and go on with its neighbours."""


class ProviderError(LeadopsError):
    """A provider call failed in a way that says nothing about one single item."""
