"""Figures over folds: the mean, and an interval that knows that the folds' training rows overlap.

Reference: C. Nadeau and Y. Bengio, Inference for the Generalization Error, Machine Learning 52 (2003): the variance
of the mean over k folds is (1/k + n_test/n_train) times that of the folds, not 1/k, which is far too small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from luthier.evaluate.statistics import Interval


def fold_interval(values: Sequence[float], test_share: float, confidence: float) -> Interval:
    """Return the mean over folds with the corrected resampled t interval.

    Args:
        values: Of each fold, at least two.
        test_share: Held-out rows of a fold by its training rows, e.g. 0.25 for five folds.
        confidence: Coverage.
    """
    from scipy.stats import t

    count = len(values)
    half = float(t.ppf((1 + confidence) / 2, count - 1)) * _error(values, test_share)
    mean = float(np.mean(values))
    return Interval(mean, mean - half, mean + half)


def fold_p_value(differences: Sequence[float], test_share: float) -> float:
    """Return the two-sided p-value of the corrected resampled t test that the mean difference is 0."""
    from scipy.stats import t

    error = _error(differences, test_share)
    mean = float(np.mean(differences))
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * t.sf(abs(mean) / error, len(differences) - 1))


def _error(values: Sequence[float], test_share: float) -> float:
    return math.sqrt((1 / len(values) + test_share) * float(np.var(values, ddof=1)))
