"""A score as one says it to a rep: a line for everything that gave or took points, adding up to the total."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from leadops.domain.learned import said
from leadops.domain.scoring import GROUPS
from leadops.playbook.model import Group
from leadops.terms import Contribution, LearnedPart, Score, ScoreLine, SignalPoints

_SUMS = 1e-6
"""Less than this is how floats add, not points."""
_GROUP: dict[Group, str] = {"fit": "who they are", "engagement": "what they did"}
_WHOLE = 0.05
_TIMES = {1: "once", 2: "twice"}
_MOST_TIMES = 6


def tenths(total: float) -> float:
    """A total as it is shown: rounded down, so that who is just below a threshold does not read as above."""
    return math.floor(total * 10 + _SUMS) / 10


def by_rules(score: Score) -> tuple[ScoreLine, ...]:
    """What the scorecard gives and takes; of a learned score, what it alone would have."""
    total = score.total if score.learned is None else score.learned.rules_total
    return _adding_up(_rules(score, total), total)


def by_model(score: Score) -> tuple[ScoreLine, ...]:
    """What a model gives and takes, on the scorecard's 0..100; nothing where the scorecard scored."""
    return () if score.learned is None else _adding_up(_learned(score.learned, score.total), score.total)


def _rules(score: Score, total: float) -> Iterator[ScoreLine]:
    scale = 100 / score.attainable
    earned = 0.0
    for signal in score.signals:
        earned += signal.points
        yield ScoreLine(_signal(signal), signal.points * scale)
    counted: dict[Group, float] = {"fit": score.fit, "engagement": score.engagement}
    for group in GROUPS:
        cut = counted[group] - math.fsum(s.points for s in score.signals if s.group == group)
        if cut < -_SUMS:
            earned += cut
            yield ScoreLine(f"{_GROUP[group]} counts {_number(counted[group])} points at most", cut * scale)
    if total - earned * scale > _SUMS:
        yield ScoreLine("less than nothing counts as nothing", total - earned * scale)


def _signal(signal: SignalPoints) -> str:
    words = f"{signal.words or signal.signal}: "
    of = f" of {signal.max_points:g}"
    if signal.half_life_days is None or signal.days is None:
        return f"{words}{_number(signal.points)}{of}"
    halvings = signal.days / signal.half_life_days
    before = _number(signal.points / 0.5**halvings)
    days = "1 day" if signal.days == 1 else f"{signal.days:g} days"
    return f"{words}{before}{of}, {_faded(halvings)} {days} without a sign"


def _faded(halvings: float) -> str:
    times = round(halvings)
    if 0 < times <= _MOST_TIMES and abs(halvings - times) < _WHOLE:
        return f"halved {_TIMES.get(times, f'{times} times')} in"
    left = 100 * 0.5**halvings
    return f"{left:.0f} % of it left after" if left >= 1 else "nearly nothing of it left after"


def _learned(part: LearnedPart, total: float) -> Iterator[ScoreLine]:
    yield ScoreLine("what a lead like the mean of earlier ones gets", part.start)
    rest = part.total - part.start
    for each in part.contributions:
        rest -= each.points
        yield ScoreLine(_said(each), each.points)
    if abs(rest) > _SUMS:
        yield ScoreLine("everything else together", rest)
    if abs(total - part.total) > _SUMS:
        yield ScoreLine("what they did since they came in", total - part.total)


def _said(part: Contribution) -> str:
    """Where the scale is flat, what moves the odds moves no points: as many leads got those before."""
    if abs(part.points) < _WHOLE:
        return f"{said(part)} {'raises' if part.log_odds > 0 else 'lowers'} the odds, but not the points"
    return said(part)


def _number(points: float) -> str:
    return f"{points:.1f}".removesuffix(".0")


def _adding_up(lines: Iterator[ScoreLine], total: float) -> tuple[ScoreLine, ...]:
    """To a tenth each, so that they add up to the total as it is shown.

    What rounding down leaves over goes to those that lost most by it.
    """
    found = list(lines)
    exact = [line.points * 10 for line in found]
    whole = [math.floor(points + _SUMS) for points in exact]
    left = round(tenths(total) * 10) - sum(whole)
    for place in _by_loss(exact, whole)[:left]:
        whole[place] += 1
    return tuple(ScoreLine(line.words, tenth / 10) for line, tenth in zip(found, whole, strict=True))


def _by_loss(exact: Sequence[float], whole: Sequence[int]) -> list[int]:
    return sorted(range(len(exact)), key=lambda place: whole[place] - exact[place])
