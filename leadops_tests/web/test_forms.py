"""Forms as bytes: what httpx posts comes out as it went in, files do not, and nonsense is refused."""

from __future__ import annotations

import io
import time
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadops.web.forms import MAX_PARTS, FormError, fields_of


def posted(**kwargs: Any) -> tuple[str, bytes]:
    request = httpx.Request("POST", "http://x.example", **kwargs)
    return request.headers["content-type"], request.read()


def multipart(*parts: tuple[str, Any]) -> tuple[str, bytes]:
    return posted(files=list(parts))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text("abcdefg_", min_size=1), st.binary(max_size=300), min_size=1, max_size=6))
def test_fields_come_out_as_bytes_as_they_went_in(fields: dict[str, bytes]) -> None:
    kind, body = multipart(*((name, (None, value)) for name, value in fields.items()))
    assert fields_of(kind, io.BytesIO(body)) == fields


def test_files_are_dropped_and_of_equal_names_the_first_counts() -> None:
    kind, body = multipart(
        ("attachment1", ("canary.txt", b"canary")),
        ("text", (None, b"one")),
        ("text", (None, b"two")),
        ("text", ("text", b"a file of that name")),
        ("empty", (None, b"")),
    )
    assert fields_of(kind, io.BytesIO(body)) == {"text": b"one", "empty": b""}
    urlencoded = b"a=1&a=2&b=%FF&List-Unsubscribe=One-Click"
    found = fields_of("application/x-www-form-urlencoded; charset=utf-8", io.BytesIO(urlencoded))
    assert found == {"a": b"1", "b": b"\xff", "List-Unsubscribe": b"One-Click"}


def test_a_large_file_is_walked_through_quickly() -> None:
    kind, body = multipart(("f", ("a.bin", b"\r\n-\r\n--" * 3_000_000)), ("text", (None, b"x")))
    began = time.perf_counter()
    assert fields_of(kind, io.BytesIO(body)) == {"text": b"x"}
    assert time.perf_counter() - began < 20


KIND, BODY = multipart(("text", (None, b"hello")))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("", b""),
        ("application/json", b"{}"),
        ("multipart/form-data", BODY),
        ("multipart/form-data; boundary=" + "x" * 500, BODY),
        ("multipart/form-data; boundary=other", BODY),
        (KIND, b""),
        (KIND, BODY[:-10]),
        (KIND, b"nonsense"),
        multipart(*((f"n{n}", (None, b"")) for n in range(MAX_PARTS + 1))),
        ("application/x-www-form-urlencoded", b"a=1&" * (MAX_PARTS + 1)),
        ("multipart/form-data; boundary=ü\udc80", b""),
    ],
    ids=["none", "json", "no boundary", "long", "other", "empty", "cut", "nonsense", "parts", "pairs", "odd"],
)
def test_what_is_no_form_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(FormError):
        fields_of(kind, io.BytesIO(body))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"--x", b"\r\n", b"Content-Disposition: form-data; name=", b'"a"', b"--", b":"])
        | st.binary(max_size=5),
        max_size=20,
    ).map(b"".join)
)
def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    try:
        found = fields_of("multipart/form-data; boundary=x", io.BytesIO(body))
    except FormError:
        return
    assert all(isinstance(value, bytes) for value in found.values())
