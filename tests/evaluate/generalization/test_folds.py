"""The corrected resampled t test: by hand, and its error under no difference, where the plain one is far off."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from luthier.evaluate.generalization.folds import fold_interval, fold_p_value


def test_the_variance_is_that_of_nadeau_and_bengio() -> None:
    values = [0.80, 0.82, 0.78, 0.85, 0.75]
    half = stats.t.ppf(0.975, 4) * math.sqrt((1 / 5 + 1 / 4) * np.var(values, ddof=1))
    found = fold_interval(values, 0.25, 0.95)
    assert (found.value, found.high - found.value) == (pytest.approx(0.8), pytest.approx(half))
    assert found.value - found.low == pytest.approx(half)


def test_without_overlap_it_is_the_plain_t_test() -> None:
    values = [0.1, 0.3, -0.2, 0.4, 0.2]
    assert fold_p_value(values, 0.0) == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue)
    assert fold_p_value([0.1, 0.1], 0.25) == 0.0 and fold_p_value([0.0, 0.0], 0.25) == 1.0


def test_intervals_over_real_folds_cover_what_plain_ones_miss() -> None:
    """The mean of a training set judges the others: its true error is known, and the folds share training rows."""
    generator, folds, rows = np.random.default_rng(0), 10, 40
    covered = {0.0: 0, 1 / (folds - 1): 0}
    for _ in range(500):
        x = generator.standard_normal(rows)
        errors, truths = [], []
        for part in np.array_split(generator.permutation(rows), folds):
            mean = np.delete(x, part).mean()
            errors.append(float(((x[part] - mean) ** 2).mean()))
            truths.append(1 + mean**2)
        for share in covered:
            found = fold_interval(errors, share, 0.95)
            covered[share] += found.low <= float(np.mean(truths)) <= found.high
    plain, corrected = (hits / 500 for hits in covered.values())
    assert corrected >= 0.93 and corrected > plain
