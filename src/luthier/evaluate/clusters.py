"""Clusters: rows that share a source count as one draw, so that intervals are as wide as they must be.

Questions on one paragraph, turns of one conversation or texts of one author stand and fall together. Resampled one by
one they look like more evidence than they are. The cluster is therefore what is drawn, and what a permutation flips.

Reference: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application, 1997, section 3.8 (clusters drawn
whole, rows within them not drawn again).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from luthier.data.sample import Sample


class Placed(Protocol):
    """A sample, one of the examples that it became, or the question that it asks."""

    @property
    def place(self) -> str:
        """Where the sample stands."""


def clusters_of(items: Sequence[Placed], samples: Sequence[Sample]) -> list[str] | None:
    """Return what each item shares with others; None where none shares anything with another.

    That is the field that ``data.eval.group_by`` names, else the context that several questions are asked about, else
    the sample itself: blocks of one document and turns of one conversation are no draws of their own.

    Args:
        items: What was measured, each a row of the figures.
        samples: What they were made from.
    """
    of_place = {sample.place: sample.group or sample.context or sample.place for sample in samples}
    shared = [of_place.get(item.place, item.place) for item in items]
    return shared if len(set(shared)) < len(shared) else None


def figures_by_cluster(
    figures_NK: NDArray[np.float64], clusters: Sequence[object] | None
) -> NDArray[np.float64]:
    """Return figures [N, K] as they are where rows stand alone, else those of each cluster; see `sum_by_cluster`."""
    return figures_NK if clusters is None else sum_by_cluster(figures_NK.T, clusters).T


def sum_by_cluster(rows_MN: NDArray[np.float64], clusters: Sequence[object]) -> NDArray[np.float64]:
    """Return sums over the rows of each cluster, to be resampled in the place of rows.

    What `luthier.evaluate.statistics` makes of totals and counts are ratios of sums, which stay the same.

    Args:
        rows_MN: Figures of each row: totals, counts, shape [M, N].
        clusters: What the rows share, one a row, N of them.

    Returns:
        Shape [M, K] for K clusters, in the order in which they first appear.

    Raises:
        ValueError: There are not as many clusters as rows.
    """
    if rows_MN.shape[1] != len(clusters):
        raise ValueError(f"{rows_MN.shape[1]} rows have {len(clusters)} clusters")
    numbers: dict[object, int] = {}
    of_row = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    return np.stack([np.bincount(of_row, weights=row, minlength=len(numbers)) for row in rows_MN])
