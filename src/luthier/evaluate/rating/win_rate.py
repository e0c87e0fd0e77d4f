"""Win rate: how often one model's answer is preferred, with an interval that knows which verdicts share an item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from luthier.data.annotation.rates import wilson_interval
from luthier.evaluate.clusters import sum_by_cluster
from luthier.evaluate.statistics import Interval

Winner = Literal["base", "tuned", "tie"]
SCORES: dict[Winner, float] = {"base": 0.0, "tie": 0.5, "tuned": 1.0}


def mean_score(scores_N: NDArray[np.float64], items: Sequence[str], confidence: float) -> Interval:
    """Return the mean of scores between 0 and 1 with Wilson's interval over as many draws as they are worth.

    Verdicts on one item are worth less than verdicts on several, and a tie says more than a coin that fell: the number
    of draws is the variance of a coin over that of the mean, by items, reduced as Student's t asks for few items.
    Where all items are alike no variance can be seen, and each counts as one draw.

    Args:
        scores_N: Of each verdict, at least one.
        items: What each verdict is on.
        confidence: Coverage, e.g. 0.95.

    Reference: E. L. Korn and B. I. Graubard, Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data, 1998 (effective size with its correction by t); Wilson (1927).
    """
    mean, size = float(scores_N.mean()), len(scores_N)
    sums_K, counts_K = sum_by_cluster(np.stack([scores_N, np.ones(size)]), items)
    num_items = len(counts_K)
    draws = float(num_items)
    variance = 0.0
    if num_items > 1:
        residuals_K = sums_K - mean * counts_K
        variance = num_items / (num_items - 1) * float((residuals_K**2).sum()) / size**2
    if variance > 1e-12:
        tail = 0.5 + confidence / 2.0
        correction = float(ndtri(tail) / stdtrit(num_items - 1, tail)) ** 2
        draws = mean * (1.0 - mean) / variance * correction
    low, high = wilson_interval(mean * draws, draws, confidence)
    return Interval(mean, min(low, mean), max(high, mean))


def win_rate(winners: Sequence[Winner], items: Sequence[str], confidence: float) -> Interval:
    """Return how often the tuned model wins; a tie counts half."""
    return mean_score(np.array([SCORES[winner] for winner in winners]), items, confidence)


def first_share(is_first: Sequence[bool], items: Sequence[str], confidence: float) -> Interval | None:
    """Return how often the answer that was shown first wins, of verdicts that are no ties; None where there are none.

    A rater who looks at answers only has 0.5: each model is first equally often.
    """
    return mean_score(np.array(is_first, dtype=np.float64), items, confidence) if is_first else None
