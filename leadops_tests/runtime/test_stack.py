"""The files and services `leadops up` prepares. That they run together is tested in cli/test_up.py."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from leadops.runtime import stack
from leadops.runtime.databases import databases_of
from leadops.runtime.service import Service
from leadops.settings import PROJECT_ROOT, Settings


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        home=tmp_path,
        database_url="postgresql://someone:s3cret@db.example:5432/leads",
        ingest_port=18_400,
        webserver_port=13_000,
    )


def services(config: Settings) -> dict[str, Service]:
    env = {"PATH": "/bin", "LEADOPS_HOME": "elsewhere"}
    found = stack.services(config, databases_of(config), env, since=datetime(2026, 1, 1, tzinfo=UTC))
    return {service.name: service for service in found}


def test_code_servers_first_and_whoever_needs_them_after(config: Settings) -> None:
    found = services(config)
    servers = ("code-server-leadops", "code-server-metrics")
    assert list(found) == [*servers, "webserver", "daemon", "ingest", "runner", "dashboard"]
    assert found["webserver"].after == servers
    assert found["daemon"].after == servers
    assert found["ingest"].after == (), "events are taken in as soon as possible"
    assert [name for name, service in found.items() if not service.needed] == ["runner", "dashboard"]


def test_every_child_gets_what_the_parent_resolved(config: Settings) -> None:
    for service in services(config).values():
        assert service.env["LEADOPS_HOME"] == service.env["DAGSTER_HOME"] == str(config.home)
        assert service.env["LEADOPS_AUTOMATION"] == "true"
        assert service.env["LEADOPS_DAGSTER_URL"].startswith("postgresql+psycopg2://")
        assert service.env["PATH"] == "/bin"


def test_no_password_stands_in_a_command_or_a_file(config: Settings) -> None:
    commands = " ".join(part for service in services(config).values() for part in service.command)
    written = " ".join(path.read_text() for path in config.home.rglob("*") if path.is_file())
    assert "s3cret" not in commands + written


def test_the_ui_without_login_stays_on_this_machine(config: Settings) -> None:
    config.bind = "0.0.0.0"
    command = list(services(config)["webserver"].command)
    assert command[command.index("-h") + 1] == "127.0.0.1"


def test_location_names_are_those_of_the_workspace_in_the_repository(config: Settings) -> None:
    """Other names would reset every sensor and schedule."""
    services(config)
    ours = yaml.safe_load((config.home / "workspace.yaml").read_text())["load_from"]
    bare = yaml.safe_load((PROJECT_ROOT / "workspace.yaml").read_text())["load_from"]
    assert [entry["grpc_server"]["location_name"] for entry in ours] == [
        entry["python_module"]["location_name"] for entry in bare
    ]
    assert [location.module for location in stack.LOCATIONS] == [
        entry["python_module"]["module_name"] for entry in bare
    ]


def test_a_long_home_gets_ports_instead_of_sockets(config: Settings, tmp_path: Path) -> None:
    config.home = tmp_path / ("long" * 30)
    config.home.mkdir()
    found = services(config)
    entries = yaml.safe_load((config.home / "workspace.yaml").read_text())["load_from"]
    for entry in entries:
        server = entry["grpc_server"]
        assert server["host"] == "127.0.0.1"
        assert str(server["port"]) in found[f"code-server-{server['location_name']}"].command


def test_dagster_yaml_is_linked_and_one_of_the_users_own_is_kept(config: Settings) -> None:
    link = config.home / "dagster.yaml"
    link.symlink_to(config.home / "a checkout that was moved")
    stack.link_dagster_yaml(config.home)
    stack.link_dagster_yaml(config.home)
    assert link.readlink() == PROJECT_ROOT / "dagster.yaml"
    link.unlink()
    link.write_text("# mine\n")
    stack.link_dagster_yaml(config.home)
    assert link.read_text() == "# mine\n"


def test_dagster_accepts_the_instance_configuration() -> None:
    from dagster._config import validate_config
    from dagster._core.instance.config import dagster_instance_config_schema

    given = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text())
    result = validate_config(dagster_instance_config_schema(), given)
    assert result.success, result.errors
    assert given["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert given["run_monitoring"]["max_runtime_seconds"] > 0
    assert given["concurrency"]["pools"]["default_limit"] > 0
