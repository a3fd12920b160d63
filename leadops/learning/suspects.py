"""What a column tells all by itself: one that tells everything was most likely written after the outcome."""

from __future__ import annotations

from leadops.learning.columns import Column, Numbers
from leadops.learning.judge import Labels, auc

SUSPECT_AUC = 0.9
"""Above this a column is not used unless it is trusted. Of what can be known when a lead comes in, nothing
told so much in the histories tried (docs/scoring.md); what a rep notes after the first call does."""
DOUBTFUL_AUC = 0.8
"""Above this it is used, and a person is asked to look."""
_BELIEVED_HALF = 5.0


def alone_auc(column: Column, encoded: Numbers, converted: Labels) -> float:
    """The AUC of the best a column can do by itself, in 0.5..1.

    Of a number or a rate, itself (either way round) or its being missing; of levels, their smoothed rates.
    """
    if converted.all() or not converted.any():
        return 0.5
    candidates = [encoded[:, n] for n in range(encoded.shape[1])] if column.kind != "category" else []
    if column.kind == "category" and encoded.shape[1]:
        prior = float(converted.mean())
        hits = encoded.T @ converted
        candidates.append(
            encoded @ ((hits + _BELIEVED_HALF * prior) / (encoded.sum(axis=0) + _BELIEVED_HALF))
        )
    return max((max(a, 1 - a) for a in (auc(x, converted) for x in candidates)), default=0.5)
