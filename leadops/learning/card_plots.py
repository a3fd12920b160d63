"""The plots of a model card as PNG bytes. matplotlib is imported when something is drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _GREY, _LIGHT = "#2f6f8f", "#8a94a0", "#d5dae0"
_COLOUR = {"model": _BLUE, "scorecard": _GREY}
_DPI = 100
_LETTERS = 40


def reliability(bins: Mapping[str, Sequence[tuple[float, float, int]]]) -> bytes:
    """Said against seen, a line per scorer; the diagonal is what is right."""
    figure, axes = _figure(4.6, 4.2)
    top = max((max(said, seen) for found in bins.values() for said, seen, _ in found), default=0.1) * 1.1
    axes.plot([0, top], [0, top], color=_LIGHT, linewidth=1)
    for name, found in bins.items():
        axes.plot([b[0] for b in found], [b[1] for b in found], "o-", color=_COLOUR[name], label=name, ms=4)
    axes.set_xlabel("said", fontsize=9)
    axes.set_ylabel("seen", fontsize=9)
    axes.set_title("Reliability on the held-out leads", fontsize=10.5)
    axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def lift(model: Sequence[float], rules: Sequence[float], base: float) -> bytes:
    """Share converted by tenth, the highest scores first, beside the scorecard's."""
    figure, axes = _figure(5.6, 4.2)
    places = range(1, len(model) + 1)
    axes.bar([p - 0.2 for p in places], model, width=0.4, color=_BLUE, label="model")
    axes.bar([p + 0.2 for p in places], rules, width=0.4, color=_GREY, label="scorecard")
    axes.axhline(base, color="#39424d", linewidth=0.8, linestyle="--", label="all leads")
    axes.set_xticks(list(places))
    axes.set_xlabel("tenth of the leads, highest scores first", fontsize=9)
    axes.set_title("Converted by tenth", fontsize=10.5)
    axes.legend(fontsize=8, frameon=False)
    return _png(figure)


def bars(values: Sequence[tuple[str, float]], title: str, line: float | None = None) -> bytes:
    """A bar per name, the greatest on top; ``line``: from where it matters."""
    figure, axes = _figure(7.0, 1.0 + 0.26 * max(4, len(values)), left=0.4)
    axes.barh(range(len(values)), [v for _, v in values], color=_BLUE, height=0.7)
    names = [n if len(n) <= _LETTERS else f"{n[: _LETTERS - 1]}…" for n, _ in values]
    axes.set_yticks(range(len(values)), [n.replace("$", r"\$") for n in names])
    axes.set_ylim(max(3, len(values) - 1) + 0.6, -0.6)
    if line is not None:
        axes.axvline(line, color="#b0475a", linewidth=1)
    axes.set_title(title, fontsize=10.5)
    return _png(figure)


def _figure(width: float, height: float, left: float = 0.14) -> tuple[Figure, Axes]:
    """Drawn by Agg: no window, no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=left, right=0.97, bottom=0.45 / height + 0.03, top=1 - 0.4 / height)
    axes = figure.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8, colors="#39424d")
    return figure, axes


def _png(figure: Figure) -> bytes:
    """Few colours, so few bytes."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    small = io.BytesIO()
    Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(
        small, format="png", optimize=True
    )
    return small.getvalue()
