"""Mature leads -> a model, judged -> promoted, kept, retired or rejected, and why, in words.

Nothing is held open while it trains: examples are read in one snapshot, the decision is short.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine

from leadops.learning.examples import Found, collect, volume
from leadops.learning.serve import loaded
from leadops.playbook.model import Playbook
from leadops.store import models as store
from leadops.store.engine import transaction

if TYPE_CHECKING:
    from leadops.learning.judge import Judgement
    from leadops.learning.model import Learned
    from leadops.learning.train import Examples, Options, Trained

PROMOTED, KEPT, RETIRED, REJECTED, NOT_TRAINED = "promoted", "kept", "retired", "rejected", "not_trained"


@dataclass(slots=True)
class TrainReport:
    """``decision``: one of the words above, about ``version``; ``in_use``: the model that scores from now on.

    ``figures`` are counts and measures, never a lead's; ``plots``: name -> PNG.
    """

    decision: str
    reason: str
    version: str | None = None
    in_use: str | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    card: str = ""
    plots: dict[str, bytes] = field(default_factory=dict)


def train(engine: Engine, playbook: Playbook, *, now: datetime, any_volume: bool = False) -> TrainReport:
    """Train where there is enough to learn from; promote only what is surely better than the scorecard.

    ``any_volume``: also with fewer leads a month than the playbook asks for (a trial by hand).
    A model that no longer beats the scorecard on leads it has not seen is retired, whatever else happens.
    """
    if not playbook.model.enabled:
        why = "the playbook says model.enabled: false; the scorecard scores"
        return _recorded(engine, TrainReport(NOT_TRAINED, why), now)
    with transaction(engine) as connection:
        before = store.promoted(connection)
        too_few = None if any_volume else _too_few(connection, playbook, now)
        incumbent = loaded(connection, before[0]) if before else None
    if too_few is not None and before is None:
        return _recorded(engine, TrainReport(NOT_TRAINED, f"{too_few}: the scorecard scores"), now)
    with transaction(engine) as connection:
        connection.exec_driver_sql("set transaction isolation level repeatable read")
        found = collect(connection, playbook, now)
    options = options_of(playbook)
    standing = _Standing(before[0] if before else None, incumbent)
    if incumbent is not None:
        _rejudge(standing, incumbent, found.examples, options)
    if before and (incumbent is None or before[1] != playbook.scorecard.version):
        standing.lost = _OTHER_SCORECARD if incumbent is not None else _UNREADABLE
    trained, why_not = (None, too_few) if too_few else _try(found.examples, options)
    if incumbent is not None:
        standing.lost = standing.lost or _unfit(incumbent, playbook.model.ignore, trained)
    report = _decide(engine, found, trained, why_not, standing, playbook, now)
    report.figures |= _counted(found)
    return _recorded(engine, report, now)


def _recorded(engine: Engine, report: TrainReport, now: datetime) -> TrainReport:
    with transaction(engine) as connection:
        store.record(connection, report.decision, report.reason, report.version, report.figures, now=now)
    return report


@dataclass(slots=True)
class _Standing:
    """The model in use: how it did on leads that are new to it, and where it lost there, why."""

    version: str | None
    model: Learned | None
    judged: Judgement | None = None
    lost: str | None = None


_OTHER_SCORECARD = "the scorecard has another version than the one it was equated to"
_UNREADABLE = "its artifact is of another version of leadops"


def _unfit(incumbent: Learned, ignore: Collection[str], trained: Trained | None) -> str | None:
    """Why the model in use may not go on, however well it ranks: it reads what is not to be read."""
    left_out = set(ignore)
    if trained is not None:
        left_out |= trained.chosen.suspects.keys() & trained.chosen.left_out.keys()
    read = sorted(c.name for c in incumbent.columns if c.name in left_out)
    if not read:
        return None
    return f"it reads {', '.join(read)}, to be ignored or too good to be true"


def options_of(playbook: Playbook) -> Options:
    """What the playbook asks of a model."""
    from leadops.learning.train import Options

    asked, scorecard = playbook.model, playbook.scorecard
    return Options(
        thresholds=(scorecard.warm, scorecard.hot),
        scorecard_version=scorecard.version,
        min_train=asked.min_converted,
        min_held_out=asked.min_held_out,
        margin_auc=asked.margin_auc,
        resamples=asked.resamples,
        ignore=asked.ignore,
        trust=asked.trust,
    )


def _too_few(connection: Connection, playbook: Playbook, now: datetime) -> str | None:
    """Why nothing is to be trained, where too few leads come in."""
    leads, last = volume(connection, now)
    if leads > playbook.volume.model_above:
        return None
    ended = f"; the last lead came in on {last:%Y-%m-%d}" if last and not leads else ""
    return (
        f"{leads} leads in the 30 days before {now:%Y-%m-%d}, and training takes more than "
        f"{playbook.volume.model_above}{ended}"
    )


def _counted(found: Found) -> dict[str, Any]:
    examples = found.examples
    return {
        "leads_in_30_days": found.volume,
        "mature_leads": len(examples),
        "converted": int(examples.converted.sum()),
        "immature_leads": found.immature,
    }


def _try(examples: Examples, options: Options) -> tuple[Trained | None, str]:
    from leadops.learning.train import TooFewError
    from leadops.learning.train import train as fit

    try:
        return fit(examples, options), ""
    except TooFewError as error:
        return None, str(error)


def _rejudge(standing: _Standing, incumbent: Learned, examples: Examples, options: Options) -> None:
    """Hold the model in use against the scorecard once more, on leads newer than any it was made from."""
    import numpy as np

    from leadops.learning.judge import holds, judge
    from leadops.learning.train import rules_probability

    start = int(np.searchsorted(examples.at, float(incumbent.about["to"]), side="right"))
    new = examples.part(start, len(examples))
    earlier = examples.part(0, start)
    if min(new.converted.sum(), (~new.converted).sum()) < options.min_held_out:
        return  # too few to say that it has become worse
    # As when it was trained: the scorecard's probability comes from the leads just before.
    recent = earlier.part(max(0, len(earlier) - 4 * len(new)), len(earlier))
    recent = recent if _mixed(recent) else earlier
    if not _mixed(recent):
        return
    standing.judged = judge(
        incumbent.probability(incumbent.matrix(new.rows, new.at)),
        rules_probability(recent, new.rules),
        new.converted,
        totals=new.rules,
        margin_auc=options.margin_auc,
        resamples=options.resamples,
        seed=options.seed,
    )
    if not holds(standing.judged):
        standing.lost = f"it no longer beats the scorecard: {standing.judged.reason}"


def _mixed(examples: Examples) -> bool:
    return bool(examples.converted.any() and not examples.converted.all())


def _decide(
    engine: Engine,
    found: Found,
    trained: Trained | None,
    why_not: str | None,
    standing: _Standing,
    playbook: Playbook,
    now: datetime,
) -> TrainReport:
    """One transaction: the model in use stays or goes, the new one comes or does not."""
    report = _as_trained(found, trained, playbook, now) if trained is not None else None
    before = standing.version
    with transaction(engine) as connection:
        store.lock(connection)
        in_use = store.promoted(connection)
        if (in_use[0] if in_use else None) != before:
            return TrainReport(
                KEPT, "another training decided meanwhile", in_use=in_use[0] if in_use else None
            )
        if before is not None and standing.judged is not None:
            at = now.astimezone(UTC).isoformat()
            store.judged_again(connection, before, {"at": at, **standing.judged.to_json()})
        if report is not None and trained is not None and report.version != before:
            store.add(connection, _row(report, trained, now))
            why_worse = _not_better(trained, found.examples, standing)
            if trained.judgement.earned and why_worse is None:
                return _promote(connection, report, before, now)
            if why_worse is not None:
                report.reason = why_worse
        if before is not None and standing.lost is not None:
            store.set_status(connection, before, RETIRED, standing.lost, now=now)
            told = f"{standing.lost}. The scorecard scores from now on"
            return _said(report, RETIRED, told, standing, None)
    if before is not None:
        return _said(report, KEPT, _why_kept(report, standing, why_not), standing, before)
    if report is None:
        return TrainReport(NOT_TRAINED, f"{why_not}: the scorecard scores")
    report.decision = REJECTED
    report.reason = f"{report.reason}. The scorecard scores"
    return report


def _not_better(trained: Trained, examples: Examples, standing: _Standing) -> str | None:
    """Why a new model does not replace one in use that still holds; None where it may."""
    if standing.model is None or standing.lost is not None:
        return None
    from leadops.learning.judge import auc

    late = examples.part(trained.parts.calibrate_end, len(examples))
    old = auc(standing.model.probability(standing.model.matrix(late.rows, late.at)), late.converted)
    new = trained.judgement.model.auc
    if new >= old:
        return None
    return f"on the same later leads its AUC is {new:.3f}, that of the model in use {old:.3f}"


def _why_kept(report: TrainReport | None, standing: _Standing, why_not: str | None) -> str:
    if standing.judged is not None:
        held = f"it still beats the scorecard: {standing.judged.reason}"
    else:
        held = "too few leads have matured since to judge it anew"
    if report is None:
        return f"{held}; no new one was trained ({why_not})"
    return (
        held if report.version == standing.version else f"{held}; a new one was not better ({report.reason})"
    )


def _said(
    report: TrainReport | None, decision: str, reason: str, standing: _Standing, in_use: str | None
) -> TrainReport:
    """A decision about the model in use; card and plots are the new one's, where one was trained."""
    out = report or TrainReport(decision, reason)
    if report is not None and report.version != standing.version:
        out.figures["new_model"] = report.version
    out.decision, out.reason, out.version, out.in_use = decision, reason, standing.version, in_use
    if standing.judged is not None:
        out.figures["since_trained"] = standing.judged.to_json()
    return out


def _as_trained(found: Found, trained: Trained, playbook: Playbook, now: datetime) -> TrainReport:
    from leadops.learning import card as cards
    from leadops.learning.drift import psi

    drift = psi(trained.model.reference, [a.row for a in found.recent])
    text, plots = cards.card(trained, found.examples, drift, playbook, now)
    reason = trained.judgement.reason + _noted(trained)
    report = TrainReport(PROMOTED, reason, trained.model.version)
    report.figures = {
        "judgement": trained.judgement.to_json(),
        "cross_validated_log_loss": {k: round(v, 6) for k, v in trained.candidates.items()},
        "drift_psi": dict(list(drift.items())[:20]),
        "suspects": trained.chosen.suspects,
        "doubtful": trained.chosen.doubtful,
    }
    report.card, report.plots = text, plots
    return report


def _noted(trained: Trained) -> str:
    """What a person should look at, whatever was decided."""
    chosen = trained.chosen
    left = [name for name in sorted(chosen.suspects) if name in chosen.left_out]
    said = [f"left out as too good to be true: {', '.join(left)}"] if left else []
    said += [f"to be looked at: {', '.join(sorted(chosen.doubtful))}"] if chosen.doubtful else []
    return "".join(f"; {part}" for part in said) + (" (the card says why)" if said else "")


def _promote(connection: Connection, report: TrainReport, before: str | None, now: datetime) -> TrainReport:
    if report.version is None:
        raise ValueError("only what was trained is promoted")
    if before is not None:
        store.set_status(connection, before, RETIRED, f"{report.version} took its place", now=now)
    store.set_status(connection, report.version, PROMOTED, report.reason, now=now)
    report.in_use = report.version
    return report


def _row(report: TrainReport, trained: Trained, now: datetime) -> Mapping[str, Any]:
    about = trained.model.about
    return {
        "version": report.version,
        "status": REJECTED,
        "reason": report.reason,
        "scorecard_version": about["scorecard_version"],
        "trained_at": now,
        "status_at": now,
        "learned_from": datetime.fromtimestamp(about["from"], UTC),
        "learned_to": datetime.fromtimestamp(about["to"], UTC),
        "leads": about["leads"],
        "converted": about["converted"],
        "features": {
            "columns": {c.name: {"kind": c.kind, "features": len(c.features)} for c in trained.model.columns},
            "left_out": trained.chosen.left_out,
            "suspects": trained.chosen.suspects,
            "doubtful": trained.chosen.doubtful,
        },
        "metrics": report.figures,
        "card": report.card,
        "artifact": trained.model.to_json(),
    }
