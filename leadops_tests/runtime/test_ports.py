"""Ports are asked for before anything is started, in words a person can act on."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from leadops.errors import UsageError
from leadops.runtime.ports import PortUse, free_port, reachable_host, require_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def use(port: int, name: str = "UI") -> PortUse:
    return PortUse(f"the {name}", "127.0.0.1", port, f"LEADOPS_{name}_PORT")


def test_free_ports_pass_and_stay_free() -> None:
    uses = [use(free_port(), "UI"), use(free_port(), "INGEST")]
    require_free(uses)
    require_free(uses)


def test_every_taken_port_is_named_with_its_variable(taken: int) -> None:
    with pytest.raises(UsageError) as refused:
        require_free([use(taken), use(free_port(), "FREE"), use(99_999, "HIGH")])
    first, second = str(refused.value).splitlines()
    assert f"Port {taken}" in first
    assert "LEADOPS_UI_PORT" in first
    assert "LEADOPS_HIGH_PORT" in second


def test_one_port_for_two_services_is_refused() -> None:
    port = free_port()
    with pytest.raises(UsageError, match="LEADOPS_A_PORT or LEADOPS_B_PORT"):
        require_free([use(port, "A"), use(port, "B")])


def test_an_address_of_another_machine_is_refused() -> None:
    elsewhere = PortUse("the UI", "192.0.2.1", free_port(), "LEADOPS_UI_PORT")
    with pytest.raises(UsageError, match=r"192\.0\.2\.1"):
        require_free([elsewhere])


@pytest.mark.parametrize(
    ("bound", "asked"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.5", "10.0.0.5")]
)
def test_a_server_bound_to_all_addresses_is_asked_on_this_machine(bound: str, asked: str) -> None:
    assert reachable_host(bound) == asked
