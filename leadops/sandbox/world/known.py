"""What the world remembers of one person, and of what is still to happen; JSON-safe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from leadops.sandbox.world.rhythm import Moment


@dataclass(slots=True)
class Known:
    """A person who has arrived. ``wrote_us_at`` is their latest form; ``said`` what they last did to us.

    ``fate`` (kind, after which mail) is drawn at their first mail. ``answered``: a rep has dealt with it.
    """

    moment: Moment
    hot: bool
    contact_id: str
    wrote_us_at: datetime
    mails: int = 0
    fate: tuple[str, int] | None = None
    said: str = ""
    said_at: datetime | None = None
    answered: bool = False
    met: bool = False

    def dump(self) -> dict[str, Any]:
        found = asdict(self)
        found["moment"]["at"] = self.moment.at.isoformat()
        found["wrote_us_at"] = self.wrote_us_at.isoformat()
        found["said_at"] = None if self.said_at is None else self.said_at.isoformat()
        return found

    @classmethod
    def load(cls, found: Mapping[str, Any]) -> Known:
        moment = Moment(**{**found["moment"], "at": datetime.fromisoformat(found["moment"]["at"])})
        said_at, fate = found["said_at"], found["fate"]
        return cls(
            **{
                **found,
                "moment": moment,
                "wrote_us_at": datetime.fromisoformat(found["wrote_us_at"]),
                "said_at": None if said_at is None else datetime.fromisoformat(said_at),
                "fate": None if fate is None else (fate[0], fate[1]),
            }
        )


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """Something that will happen. ``id`` makes the order of what happens at one moment the same each time."""

    at: datetime
    id: str
    kind: str = field(compare=False)
    person: str = field(compare=False)
    data: Mapping[str, Any] = field(compare=False, default_factory=dict)

    def dump(self) -> list[Any]:
        return [self.at.isoformat(), self.id, self.kind, self.person, dict(self.data)]

    @classmethod
    def load(cls, found: list[Any]) -> Due:
        at, id_, kind, person, data = found
        return cls(datetime.fromisoformat(at), id_, kind, person, data)
