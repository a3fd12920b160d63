"""What points leadops at the sandbox: addresses, keys, and the key pairs its webhooks are signed with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leadops.demo.scene import Keys
from leadops.settings import Settings

KEYS = Keys(hubspot="sandbox", sendgrid="sandbox")
OPENAI_KEY = "sandbox"
"""No secrets: they open nothing but this machine's sandbox."""
_WEBHOOKS = ("events", "inbound")


def sandbox_url(config: Settings) -> str:
    """Where the sandbox is."""
    return f"http://127.0.0.1:{config.sandbox_port}"


def service_url(config: Settings) -> str:
    """Where the simulated vendors and readers reach the ingestion service."""
    return f"http://127.0.0.1:{config.ingest_port}"


def environment(config: Settings) -> dict[str, str]:
    """The variables under which leadops uses the sandbox for everything. Makes the key pairs once."""
    pairs, url = key_pairs(config.home), sandbox_url(config)
    return {
        "LEADOPS_CRM": "hubspot",
        "LEADOPS_HUBSPOT_URL": f"{url}/hubspot",
        "LEADOPS_HUBSPOT_TOKEN": KEYS.hubspot,
        "LEADOPS_EMAIL": "sendgrid",
        "LEADOPS_SENDGRID_URL": f"{url}/sendgrid",
        "LEADOPS_SENDGRID_KEY": KEYS.sendgrid,
        "LEADOPS_SENDGRID_EVENT_KEY": pairs["events"]["public"],
        "LEADOPS_SENDGRID_INBOUND_KEY": pairs["inbound"]["public"],
        "LEADOPS_WRITER": "openai",
        "LEADOPS_OPENAI_URL": f"{url}/openai/v1",
        "LEADOPS_OPENAI_KEY": OPENAI_KEY,
        "LEADOPS_PUBLIC_URL": service_url(config),
    }


def key_pairs(home: Path) -> dict[str, Any]:
    """{"events" and "inbound": {"private": PEM, "public": base64}}; made at the first call, kept after."""
    path = home / "sandbox" / "keys.json"
    if not path.exists():
        from leadops.sandbox.webhooks import new_key_pair

        made = {name: dict(zip(("private", "public"), new_key_pair(), strict=True)) for name in _WEBHOOKS}
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(made), encoding="utf-8")
        draft.replace(path)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
