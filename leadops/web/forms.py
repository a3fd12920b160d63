"""Forms as bytes: multipart/form-data and application/x-www-form-urlencoded. Files are dropped unread.

Fields stay bytes because Inbound Parse says in another field how they are encoded; a parser that decodes
them on the way would have lost what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

MAX_PARTS = 2_000
_PIECE = 64 * 1024


class FormError(Exception):
    """The body is no such form; the text quotes nothing of it."""


def fields_of(content_type: str, body: BinaryIO) -> dict[str, bytes]:
    """The fields by name, of equal names the first. Reads ``body`` from where it stands. Raises FormError."""
    media_type, options = parse_options_header(content_type.encode("latin-1", "replace"))
    if media_type == b"application/x-www-form-urlencoded":
        return _urlencoded(body.read())
    if media_type != b"multipart/form-data":
        raise FormError("the body must be a form (multipart/form-data)")
    if not options.get(b"boundary"):
        raise FormError("the form names no boundary")
    return _multipart(options[b"boundary"], body)


def _urlencoded(raw: bytes) -> dict[str, bytes]:
    try:
        # As Latin-1 every byte is a character and comes back as it was.
        text = raw.decode("latin-1")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARTS, encoding="latin-1")
    except ValueError:
        raise FormError("the form has too many fields") from None
    return {name: value.encode("latin-1", "replace") for name, value in reversed(pairs)}


def _multipart(boundary: bytes, body: BinaryIO) -> dict[str, bytes]:
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        while piece := body.read(_PIECE):
            parser.write(piece)
        parser.finalize()
    except FormParserError:
        raise FormError("the form is malformed") from None
    if not parts.complete:
        raise FormError("the form ends before its last boundary")
    return {name: bytes(value) for name, value in parts.fields.items()}


class _Parts:
    """Collects the fields while the parser walks through the body."""

    def __init__(self) -> None:
        self.fields: dict[str, bytearray] = {}
        self.complete = False
        self._count = 0
        self._header = [bytearray(), bytearray()]
        self._disposition = b""
        self._into: bytearray | None = None

    def callbacks(self) -> Any:
        """By the parser's names."""
        named: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }
        return named

    def _begin(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise FormError("the form has too many parts")
        self._disposition, self._into = b"", None

    def _header_end(self) -> None:
        name, value = (bytes(part) for part in self._header)
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = [bytearray(), bytearray()]

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name and b"filename" not in options and name not in self.fields:
            self._into = self.fields.setdefault(name, bytearray())

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._into is not None:
            self._into += data[start:end]

    def _end(self) -> None:
        self.complete = True
