"""HubSpot as a CRM, over its HTTP API (date version 2026-09).

Reading is in ``hubspot_poll.py``, what a record means in ``hubspot_events.py`` and ``hubspot_activities.py``,
writing in ``hubspot_write.py``. Nothing is ever deleted in HubSpot, and of a contact that is there only
``leadops_*`` properties are written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import httpx

from leadops.playbook.ends import HubSpotMapping
from leadops.playbook.model import Rep
from leadops.providers.crm.hubspot_client import Client
from leadops.providers.crm.hubspot_events import SOURCE
from leadops.providers.crm.hubspot_poll import Poller
from leadops.providers.crm.hubspot_read import Owners
from leadops.providers.crm.hubspot_setup import check, lacks, set_up
from leadops.providers.crm.hubspot_write import Writer
from leadops.providers.crm.port import CrmPort, Poll, Writeback, WritebackResult


class HubSpot(CrmPort):
    """One HubSpot account. Thread-safe; connections are kept until ``close``.

    ``clock`` gives seconds since the epoch; ``wait`` sleeps so many of them (rate limits only);
    ``transport`` stands in place of the network.

    Raises:
        UsageError: the token cannot be one.
    """

    name = SOURCE

    def __init__(
        self,
        token: str,
        mapping: HubSpotMapping,
        reps: Sequence[Rep],
        base_url: str = "https://api.hubapi.com",
        timeout_s: float = 20.0,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = Client(
            token,
            base_url,
            timeout_s,
            mapping.requests_per_second,
            mapping.searches_per_second,
            transport,
            wait,
        )
        owners = Owners(self._client, reps)
        self._poller = Poller(self._client, owners, mapping, clock)
        self._writer = Writer(self._client, owners, clock)

    @property
    def client(self) -> Client:
        """For whoever else reads this account, within the same limits."""
        return self._client

    @property
    def daily_left(self) -> int | None:
        """Requests left today, as HubSpot last said."""
        return self._client.daily_left

    def poll(self, cursor: str | None, limit: int, should_stop: Callable[[], bool]) -> Poll:
        """As the port says."""
        return self._poller.poll(cursor, limit, should_stop)

    def write(self, items: Sequence[Writeback]) -> list[WritebackResult]:
        """As the port says. Never AMBIGUOUS, and raises nothing of HubSpot's: see ``hubspot_write.py``."""
        return self._writer.write(items)

    def check(self) -> None:
        """As the port says: one cheap call."""
        check(self._client)

    def lacks(self) -> list[str]:
        """As the port says: properties, four calls."""
        return lacks(self._client)

    def setup(self) -> list[str]:
        """As the port says: properties of contacts, and the action id of tasks, notes and emails."""
        return list(set_up(self._client))

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()
