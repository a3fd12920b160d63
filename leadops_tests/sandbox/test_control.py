"""What may be done to the sandbox from outside, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from leadops.sandbox.control import Control
from leadops.sandbox.sendgrid import SendGridSandbox
from leadops_tests.sandbox.sendgrid.asks import KEY, message
from leadops_tests.sandbox.serving import Echo, clock, served


def grow(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("by", 1) < 0:
        raise ValueError("by must not be negative")
    return {"grown": given.get("by", 1)}


class House:
    def __init__(self) -> None:
        self.echo, self.mail = Echo(), SendGridSandbox(clock, KEY)
        self.control = Control([self.echo, self.mail], {"grow": grow})
        self.client = httpx.Client()

    def post(self, path: str, value: Any) -> httpx.Response:
        return self.client.post(f"/control{path}", json=value)

    def get(self, path: str, **query: str) -> Any:
        answer = self.client.get(f"/control{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, to: str, touch: str) -> None:
        one = {"to": [{"email": to}], "custom_args": {"leadops_touch_id": touch}}
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = self.client.post("/sendgrid/v3/mail/send", json=message(one=one), headers=headers)
        assert answer.status_code == 202


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    with served(made.echo, made.mail, control=made.control) as url:
        made.client.base_url = httpx.URL(url)
        yield made
        made.client.close()


def test_state_counts(house: House) -> None:
    house.client.get("/echo/fine")
    house.client.get("/echo/odd")
    house.send("a@b.example", "t")
    house.post("/faults", {"provider": "echo", "kind": "garbage", "times": 3})
    state = house.get("/state")
    assert state["providers"]["echo"]["asked"] == 2
    assert state["providers"]["echo"]["problems"] == 1
    assert state["providers"]["echo"]["faults"][0]["times"] == 3
    assert state["providers"]["sendgrid"]["accepted"] == 1
    assert state["verbs"] == ["grow"]


def test_exchanges_newest_first(house: House) -> None:
    for path in ("a", "odd", "c"):
        house.client.post(f"/echo/{path}", content=b"ask")
    house.send("a@b.example", "t")
    found = house.get("/exchanges", provider="echo", limit="2")["exchanges"]
    assert [(one["path"], one["problems"]) for one in found] == [("/c", []), ("/odd", ["path: odd"])]
    assert found[0]["request"] == "ask"
    assert house.get("/exchanges")["exchanges"][0]["provider"] == "sendgrid"


def test_received_by_address_and_by_touch_with_the_time_of_receipt(house: House) -> None:
    before = datetime.now(UTC)
    house.send("a@b.example", "t-1")
    house.send("c@d.example", "t-2")
    after = datetime.now(UTC)
    (by_address,) = house.get("/received", to="A@b.example")["received"]
    (by_touch,) = house.get("/received", touch="t-2")["received"]
    assert (by_address["key"], by_touch["to_address"]) == ("t-1", "c@d.example")
    at = datetime.fromisoformat(by_address["at"])
    assert before.timestamp() - 0.001 <= at.timestamp() <= after.timestamp()
    assert len(by_address["at"].split(".")[1].split("+")[0]) == 3
    assert house.get("/received")["count"] == 2
    assert house.get("/received", to="nobody@b.example") == {"count": 0, "received": []}


def test_faults_are_added_one_or_many_and_dropped(house: House) -> None:
    one = {"provider": "echo", "kind": "status", "status": 502, "path": "/x", "times": 1}
    assert house.post("/faults", one).status_code == 201
    assert house.post("/faults", [one, {**one, "provider": "sendgrid"}]).json() == {"added": 2}
    assert house.client.get("/echo/x").status_code == 502
    assert house.client.delete("/control/faults", params={"provider": "echo"}).status_code == 204
    assert house.client.get("/echo/x").status_code == 200
    assert len(house.mail.faults) == 1
    house.client.delete("/control/faults")
    assert house.mail.faults == []


def test_latency_and_mode(house: House) -> None:
    assert house.post("/latency", {"provider": "echo", "min_s": 0, "max_s": 0.01}).status_code == 200
    assert house.echo.latency_s == (0, 0.01)
    house.echo.mode = "sensible"  # type: ignore[attr-defined]
    assert house.post("/mode", {"provider": "echo", "mode": "invents"}).status_code == 200
    assert house.echo.mode == "invents"  # type: ignore[attr-defined]
    assert house.get("/state")["providers"]["echo"]["mode"] == "invents"


def test_verbs_of_the_world(house: House) -> None:
    assert house.post("/do/grow", {"by": 3}).json() == {"result": {"grown": 3}}
    assert house.client.post("/control/do/grow").json() == {"result": {"grown": 1}}
    house.control.verbs["world"] = lambda given: given
    assert house.post("/world", {"a": 1}).json() == {"result": {"a": 1}}


WRONG: list[tuple[str, Any, str]] = [
    ("/faults", {"provider": "nobody", "kind": "garbage"}, "no provider 'nobody'"),
    ("/faults", {"provider": "echo"}, "kind"),
    ("/faults", {"provider": "echo", "kind": "explode"}, "kind"),
    ("/faults", {"provider": "echo", "kind": "status", "status": 200}, "status"),
    ("/faults", {"provider": "echo", "kind": "garbage", "times": -2}, "times"),
    ("/faults", {"provider": "echo", "kind": "garbage", "typo": 1}, "typo"),
    ("/faults", "x", "dictionary"),
    ("/latency", {"provider": "echo", "min_s": 2, "max_s": 1}, "max_s is less than min_s"),
    ("/latency", {"provider": "echo", "min_s": -1, "max_s": 1}, "min_s"),
    ("/mode", {"provider": "echo", "mode": "invents"}, "no modes"),
    ("/mode", {"mode": "invents"}, "no provider 'openai'"),
    ("/mode", {"mode": "bananas"}, "mode"),
    ("/world", {}, "No world"),
    ("/do/shrink", {}, "no verb 'shrink'"),
    ("/do/grow", [1], "JSON object"),
    ("/do/grow", {"by": -1}, "by must not be negative"),
]


@pytest.mark.parametrize(("path", "given", "said"), WRONG)
def test_wrong_input_is_told_in_a_sentence(house: House, path: str, given: Any, said: str) -> None:
    answer = house.post(path, given)
    assert answer.status_code == 422
    assert said in answer.json()["error"]
    assert house.echo.faults == house.mail.faults == []


def test_one_wrong_fault_of_several_adds_none(house: House) -> None:
    good = {"provider": "echo", "kind": "garbage"}
    assert house.post("/faults", [good, {**good, "provider": "nobody"}]).status_code == 422
    assert house.echo.faults == []


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1"])
def test_a_wrong_limit(house: House, limit: str) -> None:
    assert house.client.get("/control/exchanges", params={"limit": limit}).status_code == 422


def test_no_json(house: House) -> None:
    assert house.client.post("/control/faults", content=b"{").status_code == 422


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_other_sites_in_a_browser_of_this_machine_are_refused(house: House, headers: dict[str, str]) -> None:
    answer = house.client.post(
        "/control/faults", json={"provider": "echo", "kind": "garbage"}, headers=headers
    )
    assert answer.status_code == 403
    assert house.echo.faults == []
