"""The same calls without leadops: the same SDKs, the same providers, the same number at once, nothing kept.

What is left when identity, ledger, gates, database and Dagster are taken away; no system that calls these
providers can be faster.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

SINGLE = "one model call, then one mail, by the same SDKs"
BURST = "a model call and a mail for each lead, by the same SDKs, as many at once"
MODELS, MAILS = 128, 24
_SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "slots",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"pain": {"type": "string", "enum": ["one", "two"]}},
            "required": ["pain"],
            "additionalProperties": False,
        },
    },
}


def single(provider: str) -> float:
    """Seconds from the wish to the mail's arrival; the second of two, when clients are warm."""
    return asyncio.run(_all(provider, 2, one_by_one=True))


def burst(provider: str, leads: int) -> float:
    """Seconds until the last mail has arrived."""
    return asyncio.run(_all(provider, leads))


async def _all(provider: str, leads: int, one_by_one: bool = False) -> float:
    import openai

    httpx.post(f"{provider}/forget", trust_env=False)
    models = asyncio.Semaphore(1 if one_by_one else MODELS)
    clients = [
        openai.AsyncOpenAI(api_key="sandbox", base_url=f"{provider}/v1", max_retries=0)
        for _ in range(1 if one_by_one else 8)
    ]
    with ThreadPoolExecutor(1 if one_by_one else MAILS) as mails:

        async def lead(number: int) -> None:
            async with models:
                client = clients[number % len(clients)]
                await client.post(
                    "/chat/completions", cast_to=_response(), body={**_ASKED, "response_format": _SCHEMA}
                )
            await asyncio.get_running_loop().run_in_executor(mails, _mail, provider, number)

        began = time.time()
        if one_by_one:
            for number in range(leads):
                began = time.time()
                await lead(number)
        else:
            await asyncio.gather(*(lead(number) for number in range(leads)))
    for client in clients:
        await client.close()
    arrived = [r[2] for r in httpx.get(f"{provider}/receipts", trust_env=False).json()]
    assert len(arrived) == leads
    return float(max(arrived)) - began


_ASKED: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "We lose leads because nobody answers in time."}],
    "temperature": 0,
    "max_completion_tokens": 300,
}


def _response() -> Any:
    import httpx2

    return httpx2.Response


def _mail(provider: str, number: int) -> None:
    from sendgrid import SendGridAPIClient  # type: ignore[import-untyped]

    api = SendGridAPIClient("sandbox", host=provider)
    api.send(
        {
            "personalizations": [{"to": [{"email": f"vp{number}@firm{number}.example"}], "custom_args": {}}],
            "from": {"email": "anna@northwind.example"},
            "subject": "Hello",
            "content": [{"type": "text/plain", "value": "Hello"}],
        }
    )
