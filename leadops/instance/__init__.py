"""What leadops gives to Dagster's own machinery: where it keeps history, how a run's worker is watched, and
runs in a process that is warm already.

The only package that imports from ``dagster._core``: these parts have no public home. ``dagster.yaml`` names
its two classes; tests run against every version that the lock pins.
"""

from leadops.instance.launcher import Launcher
from leadops.instance.storage import Storage

__all__ = ["Launcher", "Storage"]
