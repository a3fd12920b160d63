"""The sandbox and everybody in it, as one thing that can be put into a file and taken up again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadops.errors import UsageError
from leadops.playbook.model import Rep as PlaybookRep
from leadops.sandbox.frame import Clock
from leadops.sandbox.hubspot import HubSpotSandbox, Portal
from leadops.sandbox.sendgrid import SendGridSandbox
from leadops.sandbox.world import Arrival, Rep, World
from leadops.sandbox.world.people import person_of
from leadops.sandbox.world.world import PER_WEEK

FIRST_OWNER = 71_001
VERSION = 1
PART_IDS = 1_000_000
"""Room for the ids of one part's records."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What the sandbox wants to see of whoever calls it."""

    hubspot: str = "demo-hubspot-key"
    sendgrid: str = "SG.demo-sendgrid-key"


@dataclass(frozen=True, slots=True)
class Scene:
    """Providers and world; each mail the post office takes is told to the world."""

    hubspot: HubSpotSandbox
    sendgrid: SendGridSandbox
    world: World

    @classmethod
    def new(
        cls,
        clock: Clock,
        reps: Sequence[PlaybookRep],
        *,
        seed: int = 7,
        keys: Keys | None = None,
        per_week: float = PER_WEEK,
        pace: float = 1.0,
        part: int = 0,
    ) -> Scene:
        """An empty account and an empty post office; the playbook's reps are the account's owners.

        ``part``: of several that will be joined; each has ids of its own.
        """
        hubspot, sendgrid = _providers(clock, seed, keys or Keys(), part)
        hubspot.portal = _portal(owners_of(reps), part)
        world = World(seed, hubspot.portal, sendgrid.mailroom, staff_of(reps), per_week=per_week, pace=pace)
        return cls._tied(hubspot, sendgrid, world)

    @classmethod
    def _tied(cls, hubspot: HubSpotSandbox, sendgrid: SendGridSandbox, world: World) -> Scene:
        sendgrid.mailroom.on_mail = world.on_mail
        return cls(hubspot, sendgrid, world)

    def dump(self) -> dict[str, Any]:
        """JSON-safe; ``load`` is the way back."""
        return {
            "version": VERSION,
            "portal": self.world.portal.dump(),
            "mailroom": self.sendgrid.mailroom.dump(),
            "world": self.world.dump(),
        }

    @classmethod
    def load(
        cls,
        found: Mapping[str, Any],
        clock: Clock,
        reps: Sequence[PlaybookRep],
        *,
        keys: Keys | None = None,
        pace: float = 1.0,
    ) -> Scene:
        """The scene ``dump`` wrote, on another clock if need be. Raises UsageError: of another version."""
        if found.get("version") != VERSION:
            raise UsageError(
                "scene_version", "The sandbox's file was written by another version; make the demo anew."
            )
        hubspot, sendgrid = _providers(clock, found["world"]["seed"], keys or Keys())
        hubspot.portal = Portal.load(found["portal"])
        sendgrid.mailroom.load(found["mailroom"])
        world = World.load(found["world"], hubspot.portal, sendgrid.mailroom, staff_of(reps), pace=pace)
        return cls._tied(hubspot, sendgrid, world)

    def save(self, path: Path) -> None:
        """Into a file, whole or not at all."""
        beside = path.with_name(path.name + ".new")
        with gzip.open(beside, "wt", encoding="utf-8", compresslevel=1) as stream:
            json.dump(self.dump(), stream, ensure_ascii=False)
        beside.replace(path)

    @classmethod
    def open(
        cls,
        path: Path,
        clock: Clock,
        reps: Sequence[PlaybookRep],
        *,
        keys: Keys | None = None,
        pace: float = 1.0,
    ) -> Scene:
        """From the file ``save`` wrote. Raises UsageError as ``load`` does."""
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            return cls.load(json.load(stream), clock, reps, keys=keys, pace=pace)


def _providers(clock: Clock, seed: int, keys: Keys, part: int = 0) -> tuple[HubSpotSandbox, SendGridSandbox]:
    seed += 1_000 * part
    return HubSpotSandbox(clock, keys.hubspot, seed), SendGridSandbox(clock, keys.sendgrid, seed)


def _portal(owners: Sequence[Mapping[str, str]], part: int) -> Portal:
    empty = Portal(owners).dump()
    empty["next"] = {kind: first + PART_IDS * part for kind, first in empty["next"].items()}
    return Portal.load(empty)


# Parts --------------------------------------------------------------------------------------------------


def deal_out(scene: Scene, part: int, of: int) -> None:
    """From now on only this part of the people arrives. Who shares a number or an address stays together."""
    world = scene.world

    def mine(arrival: Arrival) -> bool:
        person = person_of(world.chance, arrival.moment, hot=arrival.hot)
        return int(of * world.chance.uniform("part", person.phone or person.email)) == part

    world.comes = mine


def join(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The dumps of all parts as one."""
    first, *others = parts
    return {
        "version": first["version"],
        "portal": _joined_portal(first["portal"], [p["portal"] for p in others]),
        "mailroom": _joined_mail(first["mailroom"], [p["mailroom"] for p in others]),
        "world": _joined_world(first["world"], [p["world"] for p in others]),
    }


def _joined_portal(first: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    every = [first, *others]
    return {
        **first,
        "next": {kind: max(p["next"][kind] for p in every) for kind in first["next"]},
        "records": {kind: [r for p in every for r in p["records"][kind]] for kind in first["records"]},
        "links": [link for p in every for link in p["links"]],
    }


def _joined_mail(first: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    every = [first, *others]
    lists: dict[str, dict[str, Any]] = {}
    for p in every:
        for name, entries in p["suppressions"]["lists"].items():
            lists.setdefault(name, {}).update(entries)
    return {
        "accepted": sorted((m for p in every for m in p["accepted"]), key=lambda m: str(m["at"])),
        "suppressions": {
            "lists": lists,
            "groups": sorted(g for p in every for g in p["suppressions"]["groups"]),
        },
        "requests": sum(p["requests"] for p in every),
        "said": [s for p in every for s in p["said"]],
    }


def _joined_world(first: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    every = [first, *others]
    return {
        **first,
        **{
            name: {key: value for p in every for key, value in p[name].items()}
            for name in ("known", "addresses", "contacts")
        },
        "due": sorted((due for p in every for due in p["due"]), key=lambda due: (due[0], due[1])),
        "tasks_seen": sum(p["tasks_seen"] for p in every),
    }


# People -------------------------------------------------------------------------------------------------


def owners_of(reps: Sequence[PlaybookRep]) -> list[dict[str, str]]:
    """The playbook's reps as owners of the account."""
    found = []
    for number, rep in enumerate(reps):
        first, _, last = rep.name.partition(" ")
        found.append(
            {"id": str(FIRST_OWNER + number), "email": rep.email, "firstName": first, "lastName": last}
        )
    return found


def staff_of(reps: Sequence[PlaybookRep]) -> list[Rep]:
    """The same people as the world knows them."""
    return [Rep(rep.id, rep.name, rep.email, rep.timezone) for rep in reps]
