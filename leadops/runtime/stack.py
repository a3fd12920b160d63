"""The processes of leadops and the files they share: what `leadops up` hands to the supervisor."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from leadops.errors import UsageError
from leadops.runtime import databases as database_urls
from leadops.runtime import probes
from leadops.runtime.databases import Databases
from leadops.runtime.ports import PortUse, free_port, reachable_host
from leadops.runtime.service import Service
from leadops.settings import PROJECT_ROOT, Settings

# Dagster's UI and the dashboard have no login: they stay on this machine whatever LEADOPS_BIND says.
WEBSERVER_HOST = "127.0.0.1"
LONGEST_SOCKET_PATH = 100  # the kernels' limits are 104 and 108 bytes


@dataclass(frozen=True)
class CodeLocation:
    """A code location: its name in Dagster (renaming resets its sensors) and the module that defines it."""

    name: str
    module: str


LOCATIONS = (
    CodeLocation("leadops", "leadops.definitions"),
    CodeLocation("metrics", "leadops.metrics.definitions"),
)


def port_uses(settings: Settings) -> list[PortUse]:
    """The ports that must be free before anything is started."""
    return [
        PortUse("the Dagster UI", WEBSERVER_HOST, settings.webserver_port, "LEADOPS_WEBSERVER_PORT"),
        PortUse("the ingestion service", settings.bind, settings.ingest_port, "LEADOPS_INGEST_PORT"),
        PortUse("the dashboard", WEBSERVER_HOST, settings.dashboard_port, "LEADOPS_DASHBOARD_PORT"),
    ]


def urls(settings: Settings) -> dict[str, str]:
    """What a person opens, and where events go."""
    host = reachable_host(settings.bind)
    shown = f"[{host}]" if ":" in host else host
    return {
        "Dagster UI": f"http://{WEBSERVER_HOST}:{settings.webserver_port}",
        "Dashboard": f"http://{WEBSERVER_HOST}:{settings.dashboard_port}",
        "Events": f"http://{shown}:{settings.ingest_port}/v1/events",
    }


def child_environment(settings: Settings, databases: Databases, env: Mapping[str, str]) -> dict[str, str]:
    """The environment of every child: what the parent resolved, so that no child decides it differently."""
    return {
        **env,
        **database_urls.child_environment(databases, settings),
        "LEADOPS_PLAYBOOK": str(settings.playbook),
        "LEADOPS_AUTOMATION": "true",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PYTHONUNBUFFERED": "1",
    }


def services(
    settings: Settings,
    databases: Databases,
    env: Mapping[str, str],
    locations: Sequence[CodeLocation] = LOCATIONS,
    since: datetime | None = None,
) -> list[Service]:
    """The services in the order they start, and the files in LEADOPS_HOME they read.

    `env` is the parent's environment; `since` (aware, default now) is the age a daemon heartbeat may have.
    Raises UsageError where LEADOPS_HOME cannot hold those files.
    """
    since = since or datetime.now(UTC)
    home = settings.home
    environment = child_environment(settings, databases, env)
    addresses = {location.name: _address(home, location.name) for location in locations}
    link_dagster_yaml(home)
    workspace = write_workspace(home, addresses)
    servers = [_code_server(location, addresses[location.name], environment) for location in locations]
    # Webserver and daemon would start without them, but one that meets a code server too early logs a
    # traceback and looks again only 10 s later. Two cores are busy meanwhile: side by side took longer.
    code = tuple(server.name for server in servers)
    return [
        *servers,
        _webserver(settings, workspace, environment, code),
        _daemon(databases, workspace, environment, since, code),
        _ingest(settings, environment),
        *_runner(settings, databases, environment, code),
        _dashboard(settings, environment, code),
    ]


def link_dagster_yaml(home: Path) -> None:
    """LEADOPS_HOME is DAGSTER_HOME: put the project's dagster.yaml there. One of the user's own is kept."""
    source, link = PROJECT_ROOT / "dagster.yaml", home / "dagster.yaml"
    if link.exists() and not link.is_symlink():
        return
    if not source.is_file():
        raise UsageError(
            "dagster_yaml",
            f"{source} is missing: run leadops from a checkout of the project, or put a dagster.yaml "
            f"into {home}.",
        )
    if link.is_symlink() and link.readlink() == source:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(source)


def write_workspace(home: Path, addresses: Mapping[str, Mapping[str, str | int]]) -> Path:
    """Write the workspace that points webserver and daemon to the running code servers; returns its path."""
    path = home / "workspace.yaml"
    entries = [{"grpc_server": {**address, "location_name": name}} for name, address in addresses.items()]
    text = "# Written at every `leadops up`: the code servers it started.\n"
    path.write_text(text + yaml.safe_dump({"load_from": entries}, sort_keys=False), encoding="utf-8")
    return path


def _address(home: Path, name: str) -> dict[str, str | int]:
    """Where a code server listens. A socket in our own folder where its path is short enough: a code server
    runs what it is asked to without any login, and only this user can open the folder."""
    path = home / "run" / f"{name}.sock"
    if len(str(path).encode()) <= LONGEST_SOCKET_PATH:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)  # left by one that was killed; the probe must not take it for a new one
        return {"socket": str(path)}
    return {"host": "127.0.0.1", "port": free_port()}


def _code_server(location: CodeLocation, address: Mapping[str, str | int], env: Mapping[str, str]) -> Service:
    """One for webserver, daemon and runs alike; runs are its child processes (DefaultRunLauncher)."""
    if "socket" in address:
        listen, target = ["--socket", str(address["socket"])], f"unix:{address['socket']}"
    else:
        listen = ["--host", str(address["host"]), "--port", str(address["port"])]
        target = f"{address['host']}:{address['port']}"
    code = ("--module-name", location.module, "--location-name", location.name)
    return Service(
        name=f"code-server-{location.name}",
        # Not `code-server start`: that is a second Dagster process in front of this one, for the sake of
        # the reload button, and it would stand between a stop and the runs that are to finish.
        command=_python("dagster", "api", "grpc", *listen, *code, "--use-python-environment-entry-point"),
        env=env,
        ready=probes.code_server(target),
        # On SIGTERM it waits for its runs: what is in flight gets a chance to be recorded as sent.
        drain_s=10.0,
        stop_timeout_s=5.0,
        after=(),
    )


def _webserver(
    settings: Settings, workspace: Path, env: Mapping[str, str], after: tuple[str, ...]
) -> Service:
    port = settings.webserver_port
    return Service(
        name="webserver",
        command=_python("dagster_webserver", "-h", WEBSERVER_HOST, "-p", str(port), "-w", str(workspace)),
        env=env,
        ready=probes.http_ok(WEBSERVER_HOST, port, "/server_info"),
        after=after,
    )


def _daemon(
    databases: Databases, workspace: Path, env: Mapping[str, str], since: datetime, after: tuple[str, ...]
) -> Service:
    return Service(
        name="daemon",
        command=_python("dagster._daemon", "run", "-w", str(workspace)),
        env=env,
        ready=probes.daemon_beats(databases.dagster, since),
        after=after,
    )


def _ingest(settings: Settings, env: Mapping[str, str]) -> Service:
    return Service(
        name="ingest",
        command=_python("leadops.cli.ingest"),
        env=env,
        ready=probes.http_ok(settings.bind, settings.ingest_port, "/readyz"),
        after=(),
    )


def _runner(
    settings: Settings, databases: Databases, env: Mapping[str, str], after: tuple[str, ...]
) -> list[Service]:
    if settings.runner_workers == 0:
        return []
    return [
        Service(
            name="runner",
            command=_python("leadops.cli.runner", "--workers", str(settings.runner_workers)),
            env=env,
            ready=probes.runner_listens(databases.business),
            # What is in flight gets a chance to be recorded as sent.
            drain_s=25.0,
            stop_timeout_s=5.0,
            after=after,
            needed=False,  # sensors and schedules answer without it, though not in seconds
        )
    ]


def _dashboard(settings: Settings, env: Mapping[str, str], after: tuple[str, ...]) -> Service:
    port = settings.dashboard_port
    return Service(
        name="dashboard",
        command=_python("leadops.cli.dashboard"),
        env=env,
        ready=probes.http_ok(WEBSERVER_HOST, port, "/_stcore/health"),
        after=after,
        needed=False,  # a page that does not come up must not keep leads from being answered
    )


def _python(module: str, *arguments: str) -> list[str]:
    """A module run by this very interpreter: no command on PATH could belong to another environment."""
    return [sys.executable, "-m", module, *arguments]
