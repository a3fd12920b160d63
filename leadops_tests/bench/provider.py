"""A provider that costs next to nothing: OpenAI's chat and SendGrid's mail in one process, on raw sockets.

``python -m leadops_tests.bench.provider PORT``. The strict sandbox would take a third of the machine's time
in a burst, and what is measured here is leadops. A model takes 1.0 s, a mail 0.1 s, unless told otherwise.
GET /receipts: [[touch_id, address, unix seconds of arrival], ...]; POST /forget empties it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

Answer = tuple[int, dict[str, Any] | list[Any] | None, dict[str, str]]


class Provider:
    """What it has received, and how long it takes."""

    def __init__(self, model_s: float, mail_s: float) -> None:
        self.model_s, self.mail_s = model_s, mail_s
        self.receipts: list[tuple[str, str, float]] = []
        self.asked = 0

    async def answer(self, method: str, path: str, body: bytes) -> Answer:
        """One request."""
        if path.endswith("/chat/completions"):
            self.asked += 1
            await asyncio.sleep(self.model_s)
            return 200, _completion(json.loads(body)), {}
        if path.endswith("/mail/send"):
            arrived, given = time.time(), json.loads(body)
            person = given["personalizations"][0]
            touch = person.get("custom_args", {}).get("leadops_touch_id", "")
            self.receipts.append((touch, person["to"][0]["email"], arrived))
            await asyncio.sleep(self.mail_s)
            return 202, None, {"X-Message-Id": f"m{len(self.receipts)}"}
        if path == "/receipts":
            return 200, list(self.receipts), {}
        if (method, path) == ("POST", "/forget"):
            self.receipts.clear()
            return 200, {}, {}
        return 404, {"error": path}, {}


def _completion(asked: dict[str, Any]) -> dict[str, Any]:
    """The first entry of every closed list, as a model that follows the schema would."""
    schema = asked["response_format"]["json_schema"]["schema"]
    chosen = {name: _first(kind) for name, kind in schema["properties"].items()}
    message = {"role": "assistant", "content": json.dumps(chosen), "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": asked["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 40, "total_tokens": 340},
    }


def _first(kind: dict[str, Any]) -> Any:
    if "enum" in kind:
        return next((value for value in kind["enum"] if value is not None), None)
    if "anyOf" in kind:
        return _first(kind["anyOf"][0])
    named = kind.get("type")
    named = named[0] if isinstance(named, list) else named
    return {"boolean": True, "string": "", "integer": 0, "number": 0, "array": [], "object": {}}.get(
        str(named)
    )


async def _serve(provider: Provider, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _one(reader, writer, provider.answer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, backlog=1000)
    async with server:
        await server.serve_forever()


async def _one(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    answer: Callable[[str, str, bytes], Awaitable[Answer]],
) -> bool:
    """One exchange; whether there may be another on this connection."""
    line = await reader.readline()
    if not line:
        return False
    method, path, _ = line.decode("latin-1").split(" ", 2)
    length, stays = 0, True
    while (header := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = header.decode("latin-1").partition(":")
        if name.lower() == "content-length":
            length = int(value)
        elif name.lower() == "connection" and value.strip().lower() == "close":
            stays = False
    body = await reader.readexactly(length) if length else b""
    status, content, headers = await answer(method, path.partition("?")[0], body)
    raw = b"" if content is None else json.dumps(content).encode()
    shown = {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in shown.items())
    writer.write(f"HTTP/1.1 {status} OK\r\n{head}\r\n".encode() + raw)
    await writer.drain()
    return stays


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m leadops_tests.bench.provider")
    parser.add_argument("port", type=int)
    parser.add_argument("--model-s", type=float, default=1.0)
    parser.add_argument("--mail-s", type=float, default=0.1)
    given = parser.parse_args()
    asyncio.run(_serve(Provider(given.model_s, given.mail_s), given.port))


if __name__ == "__main__":
    main()
