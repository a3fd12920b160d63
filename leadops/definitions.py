"""The operations code location: everything under ``defs/``, and the one resource, bound once.

https://docs.dagster.io/guides/build/projects-and-components
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from leadops.defs.resources import HouseResource


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The location with some resources replaced: ``{"house": my_house}`` for tests and the sandbox."""
    found = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    bound = dg.Definitions(resources={"house": HouseResource(), **(resource_overrides or {})})
    return dg.Definitions.merge(found, bound)


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return build_defs()
