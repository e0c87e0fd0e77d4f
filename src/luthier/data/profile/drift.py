"""Drift: how far two sets of rows differ in a column, and how far they would by chance alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

MODERATE, LARGE = 0.1, 0.25
"""Usual thresholds of the population stability index (Siddiqi 2006, "Credit Risk Scorecards")."""
_DRAWS = 999
_BINS = 10

Verdict = Literal["by chance", "slight", "moderate", "large"]


@dataclass(frozen=True)
class Drift:
    """How a column differs between two sets of rows.

    Args:
        column: Its name.
        psi: Population stability index, natural logarithm.
        psi_of_chance: What 95 of 100 divisions of the same rows by chance stay below.
        p_value: Share of divisions by chance that differ as much.
        jensen_shannon: Divergence in bits, 0 to 1.
        verdict: By the usual thresholds of the index; ``by chance`` where chance explains it.
        values: Names of the values or ranges.
        before: Rows of the reference, by value.
        after: Rows of the other set, by value.
    """

    column: str
    psi: float
    psi_of_chance: float
    p_value: float
    jensen_shannon: float
    verdict: Verdict
    values: Sequence[str]
    before: Sequence[int]
    after: Sequence[int]


def drift(
    column: str, values: Sequence[str], before: Sequence[int], after: Sequence[int], *, seed: int = 0
) -> Drift:
    """Compare two distributions over the same values.

    Args:
        column: Its name.
        values: Names of the values.
        before: Rows of the reference, by value.
        after: Rows of the other set, by value.
        seed: Of the divisions by chance.
    """
    counts = np.array([before, after], np.int64)
    counts = counts[:, counts.sum(axis=0) > 0]
    psi = float(stability_index(counts[0], counts[1]))
    generator = np.random.default_rng(seed)
    # All rows in one heap, and as many drawn as there were before: the exact distribution of a permutation of rows.
    heap = counts.sum(axis=0)
    drawn = generator.multivariate_hypergeometric(heap, int(counts[0].sum()), size=_DRAWS, method="marginals")
    by_chance = stability_index(drawn, heap - drawn)
    p_value = float(((by_chance >= psi * (1 - 1e-9)).sum() + 1) / (_DRAWS + 1))
    of_chance = float(np.quantile(by_chance, 0.95))
    verdict: Verdict = "slight" if psi < MODERATE else "moderate" if psi < LARGE else "large"
    if psi <= of_chance:
        verdict = "by chance"
    return Drift(
        column, psi, of_chance, p_value, jensen_shannon(counts[0], counts[1]), verdict,
        list(values), list(before), list(after),
    )  # fmt: skip


def stability_index(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the population stability index over the last axis; where no row is, half a row is taken for one."""
    shares = []
    for counts in (before, after):
        filled = np.where(counts == 0, 0.5, counts.astype(np.float64))
        shares.append(filled / filled.sum(axis=-1, keepdims=True))
    index: NDArray[np.float64] = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum(axis=-1)
    return index


def jensen_shannon(before: NDArray[np.int64], after: NDArray[np.int64]) -> float:
    """Return the Jensen-Shannon divergence in bits.

    Reference:
        Lin 1991, "Divergence measures based on the Shannon entropy".
    """
    one, other = before / before.sum(), after / after.sum()
    middle = (one + other) / 2

    def bits(shares: NDArray[np.float64]) -> float:
        some = shares > 0
        return float((shares[some] * np.log2(shares[some] / middle[some])).sum())

    return max(0.0, (bits(one) + bits(other)) / 2)


def tenths(quantiles: Sequence[int]) -> list[int]:
    """Return edges that divide the reference into ten parts of about the same size, equal edges once."""
    return sorted(set(quantiles))


SHARES_OF_TENTHS = [n / _BINS for n in range(1, _BINS)]
