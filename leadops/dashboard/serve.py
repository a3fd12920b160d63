"""How the page for analysts and reps is started: a command line, nothing else. Importing it is cheap.

The page has no login: it listens on this machine alone whatever LEADOPS_BIND says, it answers only to the
names of this machine (a stranger's page that lets its own name point here gets nothing), and neither the
server nor the browser loads anything from elsewhere.
https://docs.streamlit.io/develop/api-reference/configuration/config.toml
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

APP = Path(__file__).with_name("app.py")
ADDRESS = "127.0.0.1"
HEALTH = "/_stcore/health"
"""Answers 200 as soon as pages are served."""

_SERVER: Mapping[str, str] = {
    "server.headless": "true",
    "server.enableCORS": "true",
    "server.enableXsrfProtection": "true",
    "server.enableStaticServing": "false",
    "server.enableAgentApi": "false",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "server.showEmailPrompt": "false",
    "server.maxUploadSize": "1",
    "browser.serverAddress": ADDRESS,
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.showSidebarNavigation": "false",
    "client.toolbarMode": "viewer",
    "runner.magicEnabled": "false",
    "logger.level": "warning",
    "logger.enableRich": "false",
    "logger.hideWelcomeMessage": "true",
}
_THEME: Mapping[str, str] = {
    "theme.font": "sans-serif",
    "theme.baseFontSize": "15",
    "theme.baseRadius": "6px",
    "theme.light.primaryColor": "#1f6f8b",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f3f5f7",
    "theme.light.textColor": "#1d2733",
    "theme.dark.primaryColor": "#5fb3cf",
    "theme.dark.backgroundColor": "#14191f",
    "theme.dark.secondaryBackgroundColor": "#1d242c",
    "theme.dark.textColor": "#e3e8ed",
}


def dashboard_command(port: int) -> list[str]:
    """The command that serves the page on ``port`` of this machine until it is told to stop.

    It takes the database from the environment (LEADOPS_DATABASE_URL), as every service of ours does.
    """
    options = {**_SERVER, **_THEME, "server.address": ADDRESS, "server.port": str(port)}
    flags = [f"--{name}={value}" for name, value in options.items()]
    flags += [f"--server.allowedHosts={name}" for name in (ADDRESS, "localhost")]
    return [sys.executable, "-m", "streamlit", "run", str(APP), *flags]
