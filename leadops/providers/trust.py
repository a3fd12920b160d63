"""Whom HTTPS connections trust."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """One for all clients of the process: to make it reads every certificate there is, some 70 ms."""
    return httpx.create_ssl_context()
