"""The one resource: the house of this process. Built on first use, then shared by every asset and sensor.

https://docs.dagster.io/guides/build/external-resources
"""

from functools import cache

import dagster as dg

from leadops.runtime.wiring import House, open_house
from leadops.settings import settings


@cache
def process_house() -> House:
    """Engine pool, playbook and providers live per process, not per run."""
    return open_house(settings())


class HouseResource(dg.ConfigurableResource[House]):
    """Gives :class:`~leadops.runtime.wiring.House`. Tests pass a subclass, or a house of their own."""

    def create_resource(self, context: dg.InitResourceContext) -> House:  # noqa: ARG002
        return process_house()
