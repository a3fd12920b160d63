"""What a part of the bench gives back: a figure, beside the floor it is held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` in ``unit``. ``floor``: what the same takes without leadops, in the same run and unit; None
    where there is nothing to compare with. ``more``: whatever else a reader of the JSON wants to know.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    floor_is: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times the floor."""
        return self.value / self.floor if self.floor else None
