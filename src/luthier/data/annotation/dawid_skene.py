"""Dawid and Skene's model: true labels and each rater's confusions, estimated together from ratings alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.annotation.rating_table import MISSING

# Shapes: N rows, R raters, L labels, G ratings.

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SMALLEST = 1e-10
"""What never was seen is improbable, not impossible."""


@dataclass(frozen=True)
class DawidSkene:
    """The estimate.

    Args:
        posteriors_NL: Probability of each label to be the true one.
        confusions_RLL: Of each rater: how probable it is that the label of the column is given where that of the
            line is true.
        priors_L: How frequent each label is.
        num_iterations: Until the likelihood stood still, or the most that were allowed.
        has_converged: Whether it stood still.
    """

    posteriors_NL: FloatArray
    confusions_RLL: FloatArray
    priors_L: FloatArray
    num_iterations: int
    has_converged: bool


def dawid_skene(
    labels_NR: IntArray,
    num_labels: int,
    *,
    known_N: IntArray | None = None,
    max_iterations: int = 1000,
    tolerance: float = 1e-6,
) -> DawidSkene:
    """Estimate by expectation maximisation, from the shares of votes on.

    Args:
        labels_NR: What each rater said, `MISSING` where nothing.
        num_labels: L.
        known_N: The true label where it is known (gold), `MISSING` elsewhere.
        max_iterations: Rounds at most.
        tolerance: Ends when the mean log-likelihood of a rating grows by less.

    Raises:
        DataError: There are no ratings.

    Reference: Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates using the EM algorithm.
    """
    rows_G, raters_G = np.nonzero(labels_NR != MISSING)
    given_G = labels_NR[rows_G, raters_G]
    if not len(given_G):
        raise DataError("there are no ratings", cure="import ratings first")
    posteriors_NL = _votes(rows_G, given_G, len(labels_NR), num_labels)
    is_known_N = np.zeros(len(labels_NR), dtype=bool) if known_N is None else known_N != MISSING
    truth_NL = np.eye(num_labels)[np.where(is_known_N, known_N if known_N is not None else 0, 0)]
    posteriors_NL[is_known_N] = truth_NL[is_known_N]
    is_rated_N = np.bincount(rows_G, minlength=len(labels_NR)) > 0
    before = -math.inf
    for iteration in range(1, max_iterations + 1):
        counts_RLL = np.zeros((labels_NR.shape[1], num_labels, num_labels))
        np.add.at(counts_RLL, (raters_G, given_G), posteriors_NL[rows_G])
        confusions_RLL = _shares(counts_RLL.transpose(0, 2, 1))
        priors_L = np.maximum(posteriors_NL[is_rated_N].mean(axis=0), _SMALLEST)
        joint_NL = np.tile(np.log(priors_L), (len(labels_NR), 1))
        np.add.at(joint_NL, rows_G, np.log(confusions_RLL)[raters_G, :, given_G])
        highest_N = joint_NL.max(axis=1, keepdims=True)
        weights_NL = np.exp(joint_NL - highest_N)
        sums_N = weights_NL.sum(axis=1, keepdims=True)
        posteriors_NL = np.where(is_known_N[:, None], truth_NL, weights_NL / sums_N)
        evidence_N = np.where(
            is_known_N, (joint_NL * truth_NL).sum(axis=1), (highest_N + np.log(sums_N))[:, 0]
        )
        likelihood = float(evidence_N[is_rated_N].mean())
        if likelihood - before < tolerance:
            return DawidSkene(posteriors_NL, confusions_RLL, priors_L, iteration, True)
        before = likelihood
    return DawidSkene(posteriors_NL, confusions_RLL, priors_L, max_iterations, False)


def _votes(rows_G: IntArray, given_G: IntArray, num_rows: int, num_labels: int) -> FloatArray:
    counts_NL = np.zeros((num_rows, num_labels))
    np.add.at(counts_NL, (rows_G, given_G), 1.0)
    totals_N = counts_NL.sum(axis=1, keepdims=True)
    even_NL: FloatArray = np.full_like(counts_NL, 1 / num_labels)
    np.divide(counts_NL, totals_N, out=even_NL, where=totals_N > 0)
    return even_NL


def _shares(counts: FloatArray) -> FloatArray:
    """Return counts as shares of their line; a rater of whom nothing is known is taken to guess."""
    totals = counts.sum(axis=-1, keepdims=True)
    shares: FloatArray = np.full_like(counts, 1 / counts.shape[-1])
    np.divide(counts, totals, out=shares, where=totals > 0)
    np.maximum(shares, _SMALLEST, out=shares)
    return shares
