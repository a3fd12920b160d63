"""What is new in a HubSpot account: every object type in order of modification, nothing skipped.

No page is asked for by its number: results move while they are read, so each page begins at the last moment
seen. Where one moment fills a page, its records are read by id (R27). The search's window of 10,000 results
is therefore never left. Every pass looks back a little, because the search index lags behind the writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from leadops.playbook.ends import HubSpotMapping
from leadops.providers.crm.hubspot_activities import ACTIVITIES, Activity
from leadops.providers.crm.hubspot_client import CallError, Client, results_of
from leadops.providers.crm.hubspot_cursor import Place, position_of
from leadops.providers.crm.hubspot_events import Found, contact_events, contact_properties, ms_of
from leadops.providers.crm.hubspot_read import Owners, next_page, people_of, texts, with_history
from leadops.providers.crm.port import Poll, RawRow

CONTACTS = "contacts"
TYPES = (CONTACTS, *ACTIVITIES)
PAGE, LEAST_PAGE = 200, 50
MOST_PAGES = 60
"""Searches of one poll: where many records say nothing, a poll must still end."""

Mapped = list[RawRow] | None
"""The rows of a record; None: it cannot be said yet, look again."""


@dataclass(slots=True)
class _Budget:
    """What is left of one poll."""

    rows: int
    should_stop: Callable[[], bool]
    pages: int = MOST_PAGES
    out: list[RawRow] = field(default_factory=list)

    @property
    def spent(self) -> bool:
        return self.rows <= 0 or self.pages <= 0 or self.should_stop()

    def take(self, rows: Sequence[RawRow]) -> int:
        """Hand out as many of these as there is room for; how many that were."""
        given = rows[: max(0, self.rows)]
        self.out += given
        self.rows -= len(given)
        return len(given)


@dataclass(slots=True)
class _Page:
    records: list[Found]
    more: bool


class Poller:
    """``clock`` gives seconds since the epoch."""

    def __init__(
        self, client: Client, owners: Owners, mapping: HubSpotMapping, clock: Callable[[], float]
    ) -> None:
        self._client, self._owners, self._mapping, self._clock = client, owners, mapping, clock
        self._overlap = round(mapping.overlap_seconds * 1000)

    def poll(self, cursor: str | None, limit: int, should_stop: Callable[[], bool]) -> Poll:
        """As the port says.

        Contacts that cannot be read are a ProviderError, and nothing has moved. Another object type that
        cannot be read (a missing scope) is told once, as a row with an error, and looked at again each time:
        leads must not wait for a scope that only meetings need.
        """
        position = position_of(cursor, TYPES)
        budget = _Budget(limit, should_stop)
        first = TYPES.index(position.turn)
        order = (*TYPES[first:], *TYPES[:first])
        failed: CallError | None = None
        more = False
        for at, name in enumerate(order):
            if budget.spent:
                position.turn, more = name, True
                break
            try:
                done = self._read_type(name, position.places[name], budget)
            except CallError as error:
                if name == CONTACTS or error.blame == "key":
                    raise
                failed = failed or (error if error.blame in ("limit", "trouble") else None)
                if error.is_for_all:
                    position.turn = order[(at + 1) % len(order)]
                    break
                if error.blame not in ("limit", "trouble"):
                    self._tell(name, position.places[name], error, budget)
                continue
            if not done:
                # The others first: a long first sync of one type must not starve the others.
                position.turn, more = order[(at + 1) % len(order)], True
                break
        else:
            position.turn = CONTACTS
        if failed is not None and not budget.out:
            raise failed
        return Poll(tuple(budget.out), position.text(), more)

    @staticmethod
    def _tell(name: str, place: Place, error: CallError, budget: _Budget) -> None:
        if place.problem == error.code:
            return
        needs = {"needs": list(error.needs)} if error.needs else {}
        told = f"{name} cannot be read ({error.code}): {error}"
        if budget.take([RawRow(None, told, {"type": name, "code": error.code, **needs}, f"hubspot:{name}")]):
            place.problem = error.code

    def _read_type(self, name: str, place: Place, budget: _Budget) -> bool:
        """Go on with a pass; True where it came to its end.

        Raises CallError; ``place`` then stands exactly behind what was handed out.
        """
        place.begin(self._now())
        try:
            while True:
                if budget.spent:
                    return False
                budget.pages -= 1
                page = self._search(name, place, max(LEAST_PAGE, min(PAGE, budget.rows)))
                if not self._hand_out(name, place, page, budget):
                    return False
                if page.more:
                    self._step(place, page)
                elif place.tied:
                    place.tied, place.after, place.at = False, 0, (place.at or 0) + 1
                else:
                    place.finish(self._overlap)
                    place.problem = ""
                    return True
        finally:
            place.prune(self._overlap)

    @staticmethod
    def _step(place: Place, page: _Page) -> None:
        """After a full page. All of one moment: there may be more of it than any window shows."""
        if not place.tied and page.records and page.records[0].modified == page.records[-1].modified:
            place.tied, place.after, place.at = True, 0, page.records[-1].modified
        elif not page.records:
            raise CallError(
                "crm_garbage", "HubSpot's search says there is more and shows nothing.", "trouble"
            )

    def _hand_out(self, name: str, place: Place, page: _Page, budget: _Budget) -> bool:
        """Rows of what is new on the page, in order; False where there was no room for all of them."""
        fresh = [each for each in page.records if place.seen.get(each.id) != each.modified]
        mapped = self._map(name, fresh)
        for found in page.records:
            rows = mapped.get(found.id, [])
            if rows:
                given = self._given_before(place, found)
                taken = budget.take(rows[given:])
                if given + taken < len(rows):
                    place.part = (found.id, found.modified, given + taken)
                    return False
            place.passed(found.id, found.modified, self._now(), keep=rows is not None)
        return True

    @staticmethod
    def _given_before(place: Place, found: Found) -> int:
        part = place.part
        return part[2] if part is not None and part[:2] == (found.id, found.modified) else 0

    def _search(self, name: str, place: Place, size: int) -> _Page:
        modified = _modified(name)
        moment = str(place.at or 0)
        if place.tied:
            filters = [
                {"propertyName": modified, "operator": "EQ", "value": moment},
                {"propertyName": "hs_object_id", "operator": "GT", "value": str(place.after)},
            ]
        else:
            filters = [{"propertyName": modified, "operator": "GTE", "value": moment}]
        activity = ACTIVITIES.get(name)
        if activity is not None and activity.only is not None:
            filters.append({"propertyName": activity.only[0], "operator": "EQ", "value": activity.only[1]})
        sort = "hs_object_id" if place.tied else modified
        body = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
            "properties": [modified, *(activity.properties if activity else ())],
            "limit": size,
            "after": "0",
        }
        answer = self._client.search(name, body)
        records = [_record(name, each, place) for each in results_of(answer, name)]
        return _Page(records, next_page(answer) is not None)

    def _map(self, name: str, fresh: Sequence[Found]) -> Mapping[str, Mapped]:
        """id -> rows. A record that cannot be understood is a row with its error."""
        if not fresh:
            return {}
        if name == CONTACTS:
            whole = with_history(self._client, name, fresh, contact_properties(self._mapping))
            owners = self._owners.reps() if whole else {}
            tell = partial(contact_events, mapping=self._mapping, owners=owners)
            return {i: _rows(name, found, tell) for i, found in whole.items()}
        return self._map_activity(name, ACTIVITIES[name], fresh)

    def _map_activity(self, name: str, activity: Activity, fresh: Sequence[Found]) -> Mapping[str, Mapped]:
        news = [each for each in fresh if activity.is_news(each)]
        if activity.history and news:
            news = list(with_history(self._client, name, news, activity.history).values())
        people = people_of(self._client, name, [each.id for each in news]) if news else {}
        mapped: dict[str, Mapped] = {}
        for found in news:
            tied = people.get(found.id)
            # Who it is about is written after the record itself: look again while the overlap lasts.
            tell = partial(activity.events, people=tied or (), mapping=self._mapping)
            mapped[found.id] = _rows(name, found, tell) if tied else None
        return mapped

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _modified(name: str) -> str:
    return "lastmodifieddate" if name == CONTACTS else "hs_lastmodifieddate"


def _record(name: str, given: Mapping[str, Any], place: Place) -> Found:
    """One result. Without a usable date it counts as of the moment where the search stands."""
    properties = texts(given.get("properties"))
    record_id, modified = str(given.get("id") or ""), ms_of(properties.get(_modified(name)))
    if not record_id.isdigit():
        raise CallError("crm_garbage", f"HubSpot's search shows one of {name} without an id.", "trouble")
    return Found(record_id, (place.at or 0) if modified is None else modified, properties)


def _rows(name: str, found: Found, events: Callable[[Found], Iterator[dict[str, Any]]]) -> list[RawRow]:
    where = f"hubspot:{name}:{found.id}"
    try:
        return [RawRow(each, None, each, where) for each in events(found)]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        said = str(error) if isinstance(error, ValueError) and _is_ours(error) else type(error).__name__
        raw = {"type": name, "id": found.id, "properties": dict(found.properties)}
        return [RawRow(None, said, raw, where)]


def _is_ours(error: ValueError) -> bool:
    """Only our own sentences go into a reason: others may quote a person's data."""
    return type(error) is ValueError and str(error).startswith("createdate:")
