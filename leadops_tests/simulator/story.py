"""Ten days of some leads, lived by processes that may be killed; the sandbox keeps its own record of them.

The people are the sandbox's, chosen so that every stage has its turn. Whoever tells the story holds CRM,
post office and clock; everything of leadops happens in children of ``killing.py``.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.engine import make_url
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leadops.demo.ends import hubspot_end
from leadops.demo.past import Clock, eagerness
from leadops.demo.scene import Scene
from leadops.playbook.loader import LoadedPlaybook
from leadops.sandbox.control import Control
from leadops.sandbox.frame import Fault
from leadops.sandbox.sendgrid import Mail
from leadops.sandbox.server import create_app, running
from leadops.sandbox.world import Arrival
from leadops.sandbox.world.chance import Chance
from leadops.sandbox.world.people import Person, person_of
from leadops.sandbox.world.reactions import Letter, fate_of, reactions_to
from leadops.simulator.boundaries import DURING_CALL, place_of
from leadops.simulator.mail_in import Delivery, ends_of
from leadops.simulator.records import is_stop, truth_of
from leadops_tests.house import TUESDAY
from leadops_tests.simulator.killing import Nursery, Spot
from leadops_tests.stages.sending import noted, until

SEED = 7
MORTALS = "mortals"
"""By which name the database knows the children's connections."""
AT_ONCE, PAST_EVERY_LEASE = timedelta(seconds=10), timedelta(minutes=6)
_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
IN_DOUBT = 3 * _DAY + _HOUR
"""At this moment the post office takes a message, and its answer is cut."""
MOMENTS = (
    timedelta(),
    12 * _MINUTE,  # receipts, a bounce, an absence note
    5 * _HOUR,  # answers
    _DAY + _HOUR,  # reps have acted, or not
    2 * _DAY + 20 * _MINUTE,  # second messages to the hot ones
    IN_DOUBT,  # somebody new, and second messages to the warm ones
    6 * _DAY + 8 * _HOUR,  # third messages are due, but it is evening there
    7 * _DAY + _HOUR,
    9 * _DAY + 3 * _HOUR,  # sequences end
    9 * _DAY + 4 * _HOUR,
)
"""Counted from a Tuesday, 10:00 in New York."""


FIRST_DAYS = (*MOMENTS[:3], MOMENTS[4])
"""First messages, what people say to them, and second ones."""


@dataclass(frozen=True)
class Role:
    """Whom the story needs. ``does``: after which of the mails they do what; blank: nothing."""

    comes: timedelta
    does: str = ""
    after: int = 1
    hot: bool = True
    fault: str = ""
    note: str = ""


ROLES = {
    "answers": Role(-2 * _MINUTE, "interested"),
    "books": Role(-2 * _MINUTE, "books", after=2),
    "silent": Role(-2 * _MINUTE),
    "opts out": Role(-1 * _MINUTE, "opt_out", after=2, hot=False),
    "unsubscribes": Role(-1 * _MINUTE, "one_click", hot=False),
    "warm": Role(-1 * _MINUTE, hot=False),
    "bounces": Role(-1 * _MINUTE, hot=False, fault="hard"),
    "is away": Role(-1 * _MINUTE, note="away"),
    "in doubt": Role(IN_DOUBT - 2 * _MINUTE),
}


@cache
def cast() -> dict[str, Arrival]:
    """Role -> the first of the sandbox's people who fits it; all of them in New York."""
    scene = Scene.new(Clock(TUESDAY), (), seed=SEED)
    found: dict[str, Arrival] = {}
    for name, role in ROLES.items():
        everybody = (scene.world.somebody(f"{name}.{n}", TUESDAY + role.comes, hot=role.hot) for n in count())
        found[name] = next(arrival for arrival in everybody if _fits(role, arrival, scene.world.chance))
    return found


def _fits(role: Role, arrival: Arrival, chance: Chance) -> bool:
    if arrival.moment.zone != "America/New_York":
        return False
    person = person_of(chance, arrival.moment, hot=arrival.hot)
    if person.quirk or person.fault != role.fault or not (role.hot or 40 <= eagerness(person) < 56):
        return False
    return all(_does(role, person, chance, delay) for delay in (_MINUTE, 20 * _MINUTE))


def _does(role: Role, person: Person, chance: Chance, delay: timedelta) -> bool:
    """However long a kill holds up the first answer."""
    fate = fate_of(chance, person, delay)
    if (fate.kind, fate.after if fate.kind else role.after) != (role.does, role.after):
        return False
    letters = [reactions_to(chance, person, fate, Letter(n, TUESDAY)) for n in (1, 2, 3)]
    notes = [r.data for reactions in letters for r in reactions if r.kind == "auto"]
    if [note["note"] for note in notes] != ([role.note] if role.note else []):
        return False
    if any(datetime.fromisoformat(note["back"]) > TUESDAY + 5 * _DAY for note in notes):
        return False
    soon = [r.at for r in letters[role.after - 1] if r.kind in ("reply", "one_click", "books")]
    return all(at < TUESDAY + 4 * _HOUR for at in soon)


class Watched:
    """The sandbox, and somebody who looks on between a request's effect and its answer.

    ``kills`` is told method and path, and says whether it has killed whoever asked: no answer leaves then.
    """

    def __init__(self, app: ASGIApp, kills: Callable[[str, str], bool]) -> None:
        self._app, self._kills = app, kills

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, _Answering(scope, receive, send, self._kills).send)


class _Answering:
    """One answer. ``transport`` is what the sandbox's faults cut."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, kills: Callable[[str, str], bool]) -> None:
        self.transport = getattr(getattr(send, "__self__", None), "transport", None)
        self._scope, self._receive, self._send, self._kills = scope, receive, send, kills
        self._gone = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._kills(
            self._scope["method"], self._scope["path"]
        ):
            self._gone = True
            while (await self._receive())["type"] != "http.disconnect":
                pass
        if not self._gone:
            await self._send(message)


@dataclass
class Story:
    """One telling, with at most one kill: at ``deadly``, the first time somebody is there."""

    folder: Path
    database: str
    nursery: Nursery
    loaded: LoadedPlaybook
    deadly: Spot | None = None
    moments: Sequence[timedelta] = MOMENTS
    unique_ids: bool = True
    """Whether the CRM's activities take unique values; where not, a search that lags tells what is there."""
    clock: Clock = field(default_factory=lambda: Clock(TUESDAY + ROLES["answers"].comes))
    scene: Scene = field(init=False)
    killed_at: datetime | None = field(default=None, init=False)
    spots: Counter[Spot] = field(default_factory=Counter)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(stage, what it counts)."""
    accepted: set[str] = field(default_factory=set)
    """Events that were answered with yes."""
    stopped: dict[str, datetime] = field(default_factory=dict)
    """Address -> when the person's own word was accepted."""
    _coming: list[Arrival] = field(default_factory=lambda: sorted(cast().values(), key=lambda a: a.at))
    _deliveries: dict[str, Delivery] = field(default_factory=dict)
    _lives: int = 0

    def __post_init__(self) -> None:
        self.scene = Scene.new(self.clock, self.loaded.playbook.handoff.reps, seed=SEED)
        self.scene.world.send_away([rep.id for rep in self.loaded.playbook.handoff.reps[:1]])
        self.scene.hubspot.options.limits = False
        self.scene.hubspot.options.unique_engagement_properties = self.unique_ids
        self.scene.hubspot.options.index_lag_s = 0.0 if self.unique_ids else 20.0

    @property
    def mails(self) -> list[Mail]:
        """What the post office has taken."""
        return self.scene.sendgrid.mailroom.accepted

    @property
    def waiting(self) -> list[str]:
        """Deliveries that nobody has taken."""
        return list(self._deliveries)

    def tell(self) -> None:
        """Moment by moment; after a kill somebody new is there at once, and again past every lease."""
        playbook = self.loaded.playbook
        ends = hubspot_end(self.scene.hubspot, playbook.crm.hubspot, playbook.handoff.reps, self.clock)
        ends.setup()
        providers = [self.scene.hubspot, self.scene.sendgrid]
        app = Watched(create_app(providers, Control(providers)), self._kills_during)
        with running(app) as url:
            for after in self.moments:
                self._moment(TUESDAY + after, url)
            self.nursery.rest()
        assert self.deadly is None or self.killed_at is not None, f"nobody was ever at {self.deadly}"

    def _moment(self, now: datetime, url: str) -> None:
        with self._doubtful(now):
            killed = self._live(now, url)
        if killed:
            self.killed_at = now
            for later in (AT_ONCE, PAST_EVERY_LEASE):
                assert not self._live(now + later, url)

    @contextmanager
    def _doubtful(self, now: datetime) -> Iterator[None]:
        faults = self.scene.sendgrid.faults
        if now == TUESDAY + IN_DOUBT:
            faults.append(Fault("cut_after", method="POST", path="/v3/mail/send"))
        try:
            yield
        finally:
            faults.clear()

    # A child's life -------------------------------------------------------------------------------------

    def _live(self, now: datetime, url: str) -> bool:
        """Whether it was killed."""
        self._outside(now)
        self._lives += 1
        self._told.touch()
        given = {
            "database": make_url(self.database)
            .update_query_dict({"application_name": MORTALS})
            .render_as_string(hide_password=False),
            "sandbox": url,
            "hubspot_key": self.scene.hubspot.token,
            "sendgrid_key": self.scene.sendgrid.key,
            "now": now.isoformat(),
            "deliveries": [asdict(delivery) for delivery in self._deliveries.values()],
            "deadly": self._still_deadly,
            "notes": str(self._notes),
            "told": str(self._told),
        }
        killed = not self.nursery.live(given)
        self.spots.update(Spot(*spot) for _, *spot in noted(self._notes))
        self._hear(now)
        if killed:
            self._is_dead()
        return killed

    def _is_dead(self) -> None:
        """Where it was told to die, having done nothing more, and the database knows it too."""
        assert self._still_deadly is not None
        _, _, place, by = noted(self._notes)[-1]
        assert (place, by) == self._still_deadly[1:], (place, by)
        self._wait_for_the_database()

    @property
    def _still_deadly(self) -> Spot | None:
        return None if self.killed_at else self.deadly

    @property
    def _notes(self) -> Path:
        return self.folder / f"{self._lives}.notes"

    @property
    def _told(self) -> Path:
        return self.folder / f"{self._lives}.told"

    def _outside(self, now: datetime) -> None:
        """People come and act; what they send waits until somebody takes it."""
        while self._coming and self._coming[0].at <= now:
            self.scene.world.arrive(self._coming.pop(0))
        self.clock.now = now
        for delivery in ends_of(self.scene.world.step(now), parted=False):
            self._deliveries[delivery.key] = delivery

    def _hear(self, now: datetime) -> None:
        """What the child said before its end."""
        for line in noted(self._told):
            if "stage" in line:
                assert not line["parked"], line
                self.counts.update({(line["stage"], what): n for what, n in line["counts"].items()})
                continue
            self.accepted |= {i for i in line["ids"] if i is not None}
            if (delivery := self._deliveries.pop(line["took"], None)) is not None:
                for address in _stops(delivery):
                    self.stopped.setdefault(address, now)

    def _kills_during(self, method: str, path: str) -> bool:
        """A request of the child that lives now has taken effect, and it does not know yet."""
        pid, _, place, by = noted(self._notes)[-1]
        _, vendor, rest = path.split("/", 2)
        spot = Spot(DURING_CALL, place, by)
        assert place == place_of(vendor, method, "/" + rest), (place, path)
        self.spots[spot] += 1
        if spot != self._still_deadly:
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    def _wait_for_the_database(self) -> None:
        """Until it has noticed that the dead one's connections have ended."""
        engine = create_engine(self.database, poolclass=NullPool)
        left = text("select count(*) from pg_stat_activity where application_name = :name and datname = :db")
        given = {"name": MORTALS, "db": engine.url.database}
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            until(lambda: connection.execute(left, given).scalar_one() == 0)
        engine.dispose()


def _stops(delivery: Delivery) -> Iterator[str]:
    """Addresses of the people who want, or can get, nothing more after this."""
    for event in delivery.events:
        if is_stop(truth_of(dict(event))):
            yield str(event["email"]).lower()
    address, truth = delivery.author
    if is_stop(truth):
        yield address.lower()
