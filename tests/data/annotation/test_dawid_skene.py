"""Dawid and Skene's model: crowd-kit's answers, planted confusions found again, gold obeyed."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.data.annotation.dawid_skene import dawid_skene
from luthier.data.annotation.rating_table import MISSING

CONFUSIONS = np.array(
    [
        [[0.95, 0.03, 0.02], [0.03, 0.95, 0.02], [0.02, 0.03, 0.95]],
        [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]],
        [[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]],
        [[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]],  # takes the first two labels for each other
        [[0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]],
    ]
)


def planted(num_rows: int, seed: int = 0, missing: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return true labels and ratings by raters with the confusions above."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(3, num_rows, p=[0.5, 0.3, 0.2])
    ratings = np.array([[generator.choice(3, p=rater[label]) for rater in CONFUSIONS] for label in truth])
    ratings[generator.random(ratings.shape) < missing] = MISSING
    return truth, ratings


def test_it_is_that_of_crowd_kit() -> None:
    aggregation = pytest.importorskip("crowdkit.aggregation", reason="crowd-kit is not installed")
    pandas = pytest.importorskip("pandas")
    _, ratings = planted(300)
    rows, raters = np.nonzero(ratings != MISSING)
    table = pandas.DataFrame({"task": rows, "worker": raters, "label": ratings[rows, raters]})
    reference = aggregation.DawidSkene(n_iter=2000, tol=1e-9).fit(table)
    found = dawid_skene(ratings, 3, max_iterations=2000, tolerance=1e-9)
    rated = np.unique(rows)
    expected = reference.probas_[[0, 1, 2]].loc[rated].to_numpy()
    np.testing.assert_allclose(found.posteriors_NL[rated], expected, atol=2e-3)
    np.testing.assert_allclose(found.priors_L, reference.priors_[[0, 1, 2]], atol=1e-3)
    errors = reference.errors_  # lines: worker and given label; columns: true label
    for rater in range(len(CONFUSIONS)):
        confusion = errors.loc[rater].loc[[0, 1, 2], [0, 1, 2]].to_numpy().T
        np.testing.assert_allclose(found.confusions_RLL[rater], confusion, atol=2e-3)


def test_planted_confusions_are_found_and_beat_the_vote() -> None:
    truth, ratings = planted(3000)
    found = dawid_skene(ratings, 3)
    assert found.has_converged
    np.testing.assert_allclose(found.confusions_RLL, CONFUSIONS, atol=0.06)
    np.testing.assert_allclose(found.priors_L, [0.5, 0.3, 0.2], atol=0.04)
    rated = (ratings != MISSING).any(axis=1)
    counts = (ratings[:, :, None] == np.arange(3)).sum(axis=1)
    by_model = (found.posteriors_NL.argmax(axis=1) == truth)[rated].mean()
    by_vote = (counts.argmax(axis=1) == truth)[rated].mean()
    assert by_model > 0.9 and by_model > by_vote + 0.03


def test_gold_is_kept_and_teaches_who_is_wrong() -> None:
    truth, ratings = planted(400, seed=3)
    known = np.where(np.arange(400) < 200, truth, MISSING)
    with_gold = dawid_skene(ratings, 3, known_N=known)
    np.testing.assert_array_equal(with_gold.posteriors_NL[:200].argmax(axis=1), truth[:200])
    assert with_gold.posteriors_NL[:200].max(axis=1).min() == 1.0
    # Three raters who always call the first label the second outvote one who is right, unless gold unmasks them.
    swapped = np.array([[0, 1, 1, 1], [1, 0, 0, 0]] * 20)
    truth = swapped[:, 0]
    assert (dawid_skene(swapped, 2).posteriors_NL.argmax(axis=1) != truth).all()
    known = np.where(np.arange(40) < 24, truth, MISSING)
    assert (dawid_skene(swapped, 2, known_N=known).posteriors_NL.argmax(axis=1) == truth).all()


def test_rows_without_ratings_have_the_shares_of_all() -> None:
    found = dawid_skene(np.array([[0, 0], [0, 0], [1, 1], [MISSING, MISSING]]), 2)
    np.testing.assert_allclose(found.posteriors_NL[3], found.priors_L, atol=1e-6)
    np.testing.assert_allclose(found.priors_L, [2 / 3, 1 / 3], atol=1e-6)


def test_no_ratings_are_an_error_and_few_rounds_are_told() -> None:
    with pytest.raises(DataError, match="no ratings"):
        dawid_skene(np.full((3, 2), MISSING), 2)
    assert not dawid_skene(planted(200)[1], 3, max_iterations=1).has_converged
