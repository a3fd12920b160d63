"""The model card: what it was made from, how it was judged, what it reads, where it must not be believed.

Aggregates only. A level or a word is named where at least ten leads share it; what is finer is sealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from leadops.learning import card_plots
from leadops.learning.columns import Numbers
from leadops.learning.drift import SHIFTED
from leadops.learning.judge import Judgement, Labels, reliability
from leadops.learning.train import Examples, Trained
from leadops.playbook.model import Playbook

TOP = 15
DOUBT = (
    "Used, though each tells much by itself. If it is noted after the first call, name it in model.ignore; "
    "if it is known when a lead comes in, in model.trust."
)


def card(
    trained: Trained, examples: Examples, drift: Mapping[str, float], playbook: Playbook, now: datetime
) -> tuple[str, dict[str, bytes]]:
    """Markdown, and its plots as PNG by name."""
    late = examples.part(trained.parts.calibrate_end, len(examples))
    said, by_rules = trained.held_out
    weights = column_weights(trained, late)
    lift = lift_by_tenth(said, late.converted)
    lines = [
        f"# Model {trained.model.version}",
        "",
        trained.judgement.reason[0].upper() + trained.judgement.reason[1:] + ".",
        "",
        *_made_from(trained, examples, playbook, now),
        *_judged(trained.judgement),
        *_lift(lift),
        *_weights(trained, weights),
        *_features(trained),
        *_left_out(trained),
        *_drift(drift),
        *_limits(playbook),
    ]
    plots = {
        "reliability": card_plots.reliability(
            {"model": reliability(said, late.converted), "scorecard": reliability(by_rules, late.converted)}
        ),
        "lift": card_plots.lift(
            lift, lift_by_tenth(late.rules, late.converted), float(late.converted.mean())
        ),
        "weights": card_plots.bars(weights[:TOP], "What moves the score (mean size, log-odds)"),
        "drift": card_plots.bars(list(drift.items())[:TOP], "Drift of the last 30 days (PSI)", line=SHIFTED),
    }
    return "\n".join(lines), plots


def column_weights(trained: Trained, late: Examples) -> list[tuple[str, float]]:
    """(column, mean size of what it adds on the held-out leads), the greatest first."""
    model = trained.model
    sizes = np.abs(model.by_column(model.matrix(late.rows, late.at))).mean(axis=0)
    named = zip((c.name for c in model.columns), sizes.tolist(), strict=True)
    return sorted(named, key=lambda pair: (-pair[1], pair[0]))


def lift_by_tenth(scores: Numbers, converted: Labels) -> list[float]:
    """Share converted of each tenth of the leads, the highest scores first; ties in the order of time."""
    order = np.argsort(-scores, kind="stable")
    return [float(converted[part].mean()) if len(part) else 0.0 for part in np.array_split(order, 10)]


def _made_from(trained: Trained, examples: Examples, playbook: Playbook, now: datetime) -> list[str]:
    def day(place: int) -> str:
        return f"{datetime.fromtimestamp(float(examples.at[place]), UTC):%Y-%m-%d}"

    first, second, end = trained.parts.train_end, trained.parts.calibrate_end, len(examples)
    outcome = " or ".join(k.value for k in playbook.model.outcome)
    rows = [
        (name, day(a), day(b - 1), b - a, int(examples.converted[a:b].sum()))
        for name, a, b in (("trained", 0, first), ("calibrated", first, second), ("held out", second, end))
    ]
    return [
        f"Foretells {outcome} within {playbook.model.horizon_days:g} days of becoming a lead, from what was "
        f"known then. Trained {now:%Y-%m-%d}, {trained.model.about['estimator']}, scorecard "
        f"{trained.model.about['scorecard_version']}.",
        "",
        "| leads | from | to | n | converted |",
        "|---|---|---|---|---|",
        *(f"| {n} | {a} | {b} | {leads} | {yes} |" for n, a, b, leads, yes in rows),
        "",
    ]


def _judged(j: Judgement) -> list[str]:
    def row(name: str, model: float, rules: float, rest: str = "") -> str:
        return f"| {name} | {model:.4f} | {rules:.4f} | {rest} |"

    return [
        "## Against the scorecard, on the held-out leads",
        "",
        f"| | model | scorecard | difference, 95 % of {j.resamples} resamples |",
        "|---|---|---|---|",
        row("AUC", j.model.auc, j.rules.auc, f"{j.auc.value:+.4f} ({j.auc.low:+.4f} to {j.auc.high:+.4f})"),
        row(
            "Brier",
            j.model.brier,
            j.rules.brier,
            f"{j.brier.value:+.4f} ({j.brier.low:+.4f} to {j.brier.high:+.4f})",
        ),
        row("log loss", j.model.log_loss, j.rules.log_loss),
        row("calibration error (ECE)", j.model.ece, j.rules.ece),
        "",
        f"Promoted if the lower end of the AUC difference is above {j.margin_auc:g} and Brier is not worse. "
        "Both probabilities were calibrated on the same leads.",
        "",
    ]


def _lift(lift: Sequence[float]) -> list[str]:
    return [
        "## Converted by tenth of the held-out leads, the highest scores first",
        "",
        "| " + " | ".join(str(n + 1) for n in range(len(lift))) + " |",
        "|" + "---|" * len(lift),
        "| " + " | ".join(f"{share:.1%}" for share in lift) + " |",
        "",
    ]


def _weights(trained: Trained, weights: Sequence[tuple[str, float]]) -> list[str]:
    kinds = {c.name: c.kind for c in trained.model.columns}
    return [
        "## What moves the score",
        "",
        "| column | read as | mean size (log-odds) |",
        "|---|---|---|",
        *(f"| {_cell(name)} | {kinds[name]} | {size:.3f} |" for name, size in weights[:TOP]),
        "",
    ]


def _features(trained: Trained) -> list[str]:
    """The largest single weights of a linear model; of steps, the curve has no single one."""
    head = trained.model.head
    data: dict[str, Any] = head.to_json()
    if data["kind"] != "linear":
        return []
    weights = np.array(data["weights"])
    order = np.argsort(-np.abs(weights), kind="stable")[:TOP].tolist()
    names = trained.model.features
    return [
        "| single feature | weight (log-odds) |",
        "|---|---|",
        *(f"| {_cell(names[n])} | {weights[n]:+.3f} |" for n in order),
        "",
    ]


def _left_out(trained: Trained) -> list[str]:
    chosen = trained.chosen
    lines = []
    if chosen.suspects:
        lines += ["## Too good to be true", ""]
        lines += [f"- {_cell(n)}: AUC {a:.3f} all by itself" for n, a in sorted(chosen.suspects.items())]
        lines += [""]
    if chosen.doubtful:
        lines += ["## To be looked at", "", DOUBT, ""]
        lines += [f"- {_cell(n)}: AUC {a:.3f} all by itself" for n, a in sorted(chosen.doubtful.items())]
        lines += [""]
    if chosen.left_out:
        lines += ["## Left out", ""]
        lines += [f"- {_cell(name)}: {why}" for name, why in sorted(chosen.left_out.items())]
        lines += [""]
    return lines


def _drift(drift: Mapping[str, float]) -> list[str]:
    if not drift:
        return ["## Drift", "", "No leads in the last 30 days.", ""]
    shifted = [f"{_cell(n)} {v:.2f}" for n, v in drift.items() if v > SHIFTED]
    said = f"Shifted (PSI above {SHIFTED:g}): {', '.join(shifted)}." if shifted else "No column has shifted."
    return ["## Drift of the last 30 days against the training period", "", said, ""]


def _limits(playbook: Playbook) -> list[str]:
    return [
        "## Limits",
        "",
        "- It ranks leads like those it learned from; a new source or form is read as rare or missing.",
        "- It learns from outcomes of leads that were followed up by the old order: whom reps left alone "
        "converted less for that reason too.",
        f"- Who converts after {playbook.model.horizon_days:g} days counts as not converted.",
        "- What enrichment vendors told is read as far as it was known when the lead was first scored.",
    ]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())[:80]
