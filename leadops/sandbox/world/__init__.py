"""The people behind the sandbox: leads who arrive and react, reps who work. Seeded and repeatable."""

from leadops.sandbox.world.arrivals import Arrival
from leadops.sandbox.world.reps import Rep
from leadops.sandbox.world.world import Effects, World

__all__ = ["Arrival", "Effects", "Rep", "World"]
