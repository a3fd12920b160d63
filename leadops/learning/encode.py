"""Which columns are worth reading, and how: chosen from the training period alone, with a reason for each
that is not used.

Nothing here knows a column by its meaning: an imported history brings columns nobody has seen. scikit-learn
is imported where a column needs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leadops.learning.columns import DAY, HOURS, WEEKDAYS, Column, Kind, Numbers, Row, matrix
from leadops.learning.suspects import DOUBTFUL_AUC, SUSPECT_AUC, alone_auc
from leadops.learning.values import is_missing, key_of, moment_of, number_of, sealed, words_of

Labels = npt.NDArray[np.bool_]

MAX_COLUMNS = 200
MAX_FEATURES = 400
MAX_LEVELS = 25
MAX_WORDS = 40
LEAST = 10
"""A level or a word stands in a model only if at least so many leads have it: none says who somebody is."""
LEAST_FOR_RATE = 5
SMOOTHING = 20.0
"""A value seen this often is believed half."""
_UNIQUE = 0.95
_WIDER = 5.0
_NUMERIC = 0.9
_NUMBERED = ("id", "number", "no", "nr", "key", "uuid", "guid", "code", "ref")


@dataclass(slots=True)
class Chosen:
    """``encoded``: the training rows as numbers, where rates are cross-fitted: no row knows its own outcome.

    ``left_out``: column -> why. ``suspects``: column -> its AUC alone, where that is too good to be true;
    ``doubtful``: where it is nearly so, and the column is used all the same.
    """

    columns: tuple[Column, ...]
    encoded: Numbers
    left_out: dict[str, str] = field(default_factory=dict)
    suspects: dict[str, float] = field(default_factory=dict)
    doubtful: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Column:
    """A column of the training period: raw values, as keys, and which of these say nothing."""

    name: str
    values: list[Any]
    keys: list[str]
    said: Labels
    counts: Counter[str]


def choose(
    rows: Sequence[Row],
    at: Numbers,
    converted: Labels,
    *,
    ignore: Collection[str] = (),
    trust: Collection[str] = (),
    prior: str | None = None,
    seed: int = 0,
) -> Chosen:
    """Choose an encoding for each column of ``rows``, which are in the order of time.

    ``prior``: a number that is believed beforehand: a penalty hardly touches its weight.
    ``ignore``: columns never to use; ``trust``: columns known to be known when a lead comes in, however
    well they tell the outcome.
    """
    out = Chosen((), np.zeros((len(rows), 0)))
    found: list[tuple[Column, Numbers]] = []
    names = sorted({name for row in rows for name in row})
    by_cover = sorted(names, key=lambda n: (-sum(n in r for r in rows), n))
    for name in by_cover[MAX_COLUMNS:]:
        out.left_out[name] = f"only the {MAX_COLUMNS} columns that most leads have are looked at"
    for name in sorted(by_cover[:MAX_COLUMNS]):
        if name in ignore:
            out.left_out[name] = "the playbook says so (model.ignore)"
            continue
        made = _choose_one(_read(name, rows), at, converted, seed, out)
        if made is not None:
            if name == prior and made[0].kind == "number":
                made = _believed(*made)
            _take(made, converted, trust, out, found)
    _bound(found, out)
    out.columns = tuple(c for c, _ in found)
    if found:
        out.encoded = np.concatenate([x for _, x in found], axis=1)
    return out


def _read(name: str, rows: Sequence[Row]) -> _Column:
    values = [row.get(name) for row in rows]
    keys = [key_of(v) for v in values]
    counts = Counter(keys)
    silent = {k for k in counts if is_missing(k)}
    said = np.fromiter((k not in silent for k in keys), dtype=np.bool_, count=len(keys))
    return _Column(name, values, keys, said, counts)


def _believed(column: Column, encoded: Numbers) -> tuple[Column, Numbers]:
    """On a wider scale, so that a small weight does as much."""
    wider = encoded.copy()
    wider[:, 0] *= _WIDER
    return replace(column, facts=dict(column.facts) | {"std": column.facts["std"] / _WIDER}), wider


def _take(
    made: tuple[Column, Numbers],
    converted: Labels,
    trust: Collection[str],
    out: Chosen,
    found: list[tuple[Column, Numbers]],
) -> None:
    """Into the model, unless it is constant or tells the outcome all by itself."""
    column, encoded = made
    if not (encoded.std(axis=0) > 0).any():
        out.left_out[column.name] = "says the same of every lead"
        return
    alone = alone_auc(column, encoded, converted)
    if alone > SUSPECT_AUC:
        out.suspects[column.name] = round(alone, 4)
        if column.name not in trust:
            out.left_out[column.name] = (
                f"tells the outcome all by itself (AUC {alone:.3f}): learned after it, most likely. "
                "If it is known when a lead comes in, name it in model.trust"
            )
            return
    elif alone > DOUBTFUL_AUC and column.name not in trust:
        out.doubtful[column.name] = round(alone, 4)
    found.append(made)


def _bound(found: list[tuple[Column, Numbers]], out: Chosen) -> None:
    """No more features than ``MAX_FEATURES``: the widest columns go first."""
    while found and sum(c.width for c, _ in found) > MAX_FEATURES:
        widest = max(range(len(found)), key=lambda n: (found[n][0].width, found[n][0].name))
        column, _ = found.pop(widest)
        out.left_out[column.name] = f"no room: the model reads at most {MAX_FEATURES} numbers"


def _choose_one(
    c: _Column, at: Numbers, converted: Labels, seed: int, out: Chosen
) -> tuple[Column, Numbers] | None:
    why = _useless(c)
    if why is None:
        kind = _kind(c, at)
        if isinstance(kind, str) and kind in _FIT:
            column, encoded = _FIT[kind](c, at, converted, seed)
            if column.width:
                return column, encoded
            why = "no value is shared by enough leads"
        else:
            why = _WHY[kind]
    out.left_out[c.name] = why
    return None


def _useless(c: _Column) -> str | None:
    n = len(c.keys)
    known = int(c.said.sum())
    if known < LEAST:
        return "nearly always missing"
    if len(c.counts) < 2:
        return "says the same of every lead"
    quarter = max(1, n // 4)
    if n >= 4 * LEAST and c.said[: 2 * quarter].mean() < 0.01 and c.said[-quarter:].mean() > 0.2:
        return "began late in the training period: its presence would tell the date, not the lead"
    return None


_ID, _AFTER, _PERSONAL = "id", "after", "personal"
_WHY = {
    _ID: "is another one for every lead: an id",
    _AFTER: "holds moments after the lead came in: it was written later",
    _PERSONAL: "holds addresses or phone numbers",
}


def _kind(c: _Column, at: Numbers) -> str:
    """A ``Kind``, or a key of ``_WHY``."""
    places = np.flatnonzero(c.said)
    distinct = {k for k in c.counts if not is_missing(k)}
    if distinct <= {"yes", "no"}:
        return "category"
    numbers = np.array([number_of(c.values[i]) for i in places])
    numeric = ~np.isnan(numbers)
    if numeric.mean() >= _NUMERIC:
        return _kind_of_numbers(c, numbers[numeric], at[places][numeric])
    moments = np.array([moment_of(c.values[i]) for i in places])
    if (~np.isnan(moments)).mean() >= _NUMERIC:
        late = moments > at[places] + DAY
        return _AFTER if late[~np.isnan(moments)].mean() > 0.05 else "date"
    if np.mean([_is_address(c.keys[i]) for i in places]) > 0.5:
        return _PERSONAL
    if len(distinct) <= MAX_LEVELS:
        return "category"
    repeated = sum(n for k, n in c.counts.items() if n >= LEAST_FOR_RATE and not is_missing(k))
    if repeated / len(places) >= 0.5:
        return "target"
    if np.mean([len(words_of(c.values[i])) for i in places[:2_000]]) >= 1.2:
        return "words"
    return _ID if len(distinct) / len(places) > _UNIQUE else "target"


def _kind_of_numbers(c: _Column, numbers: Numbers, at: Numbers) -> str:
    """Whole numbers, another for nearly every lead, rising with time or called a number: an id."""
    unique = len(np.unique(numbers)) / len(numbers)
    if len(numbers) >= 50 and unique > _UNIQUE and bool((numbers == np.floor(numbers)).all()):
        last = c.name.replace("-", "_").replace(" ", "_").replace(".", "_").casefold().rsplit("_", 1)[-1]
        if last in _NUMBERED or abs(_rank_correlation(numbers, at)) > 0.9:
            return _ID
    return "number"


def _rank_correlation(a: Numbers, b: Numbers) -> float:
    x, y = (np.argsort(np.argsort(v, kind="stable"), kind="stable") for v in (a, b))
    return float(np.corrcoef(x, y)[0, 1]) if len(x) > 2 else 0.0


def _is_address(key: str) -> bool:
    digits = sum(ch.isdigit() for ch in key)
    return "@" in key or (key.startswith("+") and digits >= 8 and digits > len(key) / 2)


# --- one function per kind: what is fixed in training


def _fit_number(c: _Column, at: Numbers, _converted: Labels, _seed: int) -> tuple[Column, Numbers]:
    facts = _scale(np.array([number_of(v) for v in c.values]))
    return _plain(c, "number", _names(c.name, facts), facts, at)


def _scale(found: Numbers) -> dict[str, Any]:
    """Clipped at the first and last percent, logarithm where it is skewed, in standard deviations."""
    known = found[~np.isnan(found)]
    low, high = (float(q) for q in np.quantile(known, (0.01, 0.99)))
    if low == high:
        low, high = float(known.min()), float(known.max())
    x = np.clip(known, low, high)
    log = _skew(x) > 2.0
    if log:
        x = np.sign(x) * np.log1p(np.abs(x))
    std = float(x.std())
    return {
        "low": low,
        "high": high,
        "log": log,
        "mean": float(x.mean()),
        "std": std if std > 1e-12 else 1.0,
        "missing": bool(np.isnan(found).any()),
    }


def _skew(x: Numbers) -> float:
    std = float(x.std())
    return 0.0 if std < 1e-12 else float(((x - x.mean()) ** 3).mean() / std**3)


def _names(name: str, facts: Mapping[str, Any]) -> tuple[str, ...]:
    return (name, f"{name}: missing") if facts["missing"] else (name,)


def _fit_category(c: _Column, at: Numbers, _converted: Labels, _seed: int) -> tuple[Column, Numbers]:
    common = sorted([k for k, n in c.counts.most_common() if n >= LEAST and k][:MAX_LEVELS])
    levels = {k: place for place, k in enumerate(common)}
    silent = [k for k in c.counts if is_missing(k) and k not in levels]
    rare = [k for k in c.counts if not is_missing(k) and k not in levels]
    features = [f"{c.name} = {k}" for k in common]
    places = {}
    for word, keys in (("missing", silent), ("rare", rare)):
        places[word] = -1
        if sum(c.counts[k] for k in keys) >= LEAST:
            places[word] = len(features)
            features.append(f"{c.name}: {word}")
    kept = tuple(features) if len(features) > 1 else ()
    return _plain(c, "category", kept, {"levels": levels, **places}, at)


def _fit_target(c: _Column, _at: Numbers, converted: Labels, seed: int) -> tuple[Column, Numbers]:
    """Rates by value, each row's own from the other folds (scikit-learn's TargetEncoder); values sealed."""
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import TargetEncoder

    kept = [k if is_missing(k) or c.counts[k] >= LEAST_FOR_RATE else "\x00rare" for k in c.keys]
    kept = ["\x00missing" if is_missing(k) else k for k in kept]
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    encoder = TargetEncoder(target_type="binary", smooth=SMOOTHING, cv=folds)
    given = np.array(kept, dtype=object).reshape(-1, 1)
    crossed = encoder.fit_transform(given, converted.astype(np.int64))
    prior = _log_odds(np.array([converted.mean()]))[0]
    rates = dict(zip(encoder.categories_[0].tolist(), _log_odds(encoder.encodings_[0]) - prior, strict=True))
    missing = float(rates.pop("\x00missing", 0.0))
    rates.pop("\x00rare", None)
    table = {sealed(k): float(v) for k, v in rates.items()}
    facts = {"table": table, "missing": missing}
    encoded = (_log_odds(crossed[:, 0]) - prior).reshape(-1, 1)
    # What is rare says nothing, in training as later.
    encoded[np.array([k == "\x00rare" for k in kept])] = 0.0
    return Column(c.name, "target", (f"{c.name} (rate of each value)",), facts), encoded


def _log_odds(rates: Numbers) -> Numbers:
    bounded = np.clip(rates, 1e-4, 1 - 1e-4)
    found: Numbers = np.log(bounded / (1 - bounded))
    return found


def _fit_words(c: _Column, at: Numbers, _converted: Labels, _seed: int) -> tuple[Column, Numbers]:
    seen = Counter(w for v in c.values for w in words_of(v))
    least = max(LEAST, len(c.values) // 200)
    words = sorted(w for w, n in seen.most_common(MAX_WORDS) if n >= least)
    features = (*(f"{c.name} has {w}" for w in words), f"{c.name}: no words") if words else ()
    return _plain(c, "words", features, {"words": {w: n for n, w in enumerate(words)}}, at)


def _fit_date(c: _Column, at: Numbers, _converted: Labels, _seed: int) -> tuple[Column, Numbers]:
    moments = np.array([moment_of(v) for v in c.values])
    moments = np.where(moments > at, np.nan, moments)
    known = moments[~np.isnan(moments)]
    if len(known) < LEAST:
        return Column(c.name, "date", (), {}), np.zeros((len(at), 0))
    facts = _scale((at - moments) / DAY) | {"missing": True, "hours": bool((known % DAY != 0).mean() > 0.1)}
    features = (f"{c.name}: days before", f"{c.name}: missing", *(f"{c.name} on {d}" for d in WEEKDAYS))
    if facts["hours"]:
        features += tuple(f"{c.name} at {h}" for h in HOURS)
    return _plain(c, "date", features, facts, at)


def _plain(
    c: _Column, kind: Kind, features: tuple[str, ...], facts: Mapping[str, Any], at: Numbers
) -> tuple[Column, Numbers]:
    column = Column(c.name, kind, features, facts)
    if not features:
        return column, np.zeros((len(at), 0))
    return column, matrix([column], [{c.name: v} for v in c.values], at)


_FIT = {
    "number": _fit_number,
    "category": _fit_category,
    "target": _fit_target,
    "words": _fit_words,
    "date": _fit_date,
}
