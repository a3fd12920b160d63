"""The operations code location: everything under ``defs/``, and the one resource, bound once.

https://docs.dagster.io/guides/build/projects-and-components
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from leadops.defs.resources import HouseResource


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The location with some resources replaced: ``{"house": my_house}`` for tests and the sandbox."""
    here = Path(__file__).parent
    # What `dg.load_from_defs_folder` does, less the catalogue of every installed integration's components:
    # for that it imports dagster-dbt and dbt, which every run of a lead would pay in seconds.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # of its own functions, as that function does
        found = dg.ComponentTree.for_project(here).build_defs(here / "defs")
    bound = dg.Definitions(resources={"house": HouseResource(), **(resource_overrides or {})})
    return dg.Definitions.merge(found, bound)


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return build_defs()
