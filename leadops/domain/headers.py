"""The standard library's mail headers, at a third of their price: it makes a new class for every header it
reads or writes, though there are only a dozen different ones."""

from __future__ import annotations

from email import policy
from email.headerregistry import BaseHeader, HeaderRegistry
from functools import cache
from typing import Any


class Headers(HeaderRegistry):
    """A registry that keeps the classes it has made; how many there are does not depend on what is read."""

    def __getitem__(self, name: str) -> type[BaseHeader]:
        return _made(self.registry.get(name.lower(), self.default_class), self.base_class)


@cache
def _made(kind: type[Any], base: type[Any]) -> type[BaseHeader]:
    return type(f"_{kind.__name__}", (kind, base), {})


READING: policy.EmailPolicy[Any] = policy.default.clone(header_factory=Headers())
"""``email.policy.default``."""
