"""The queue of disputed rows: those whose raters disagree most come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luthier.data.annotation.items import Item
from luthier.data.annotation.rating_table import table_of


@dataclass(frozen=True)
class Dispute:
    """A row whose raters disagree.

    Args:
        item: The row.
        entropy: Of its ratings in bits: 0 where all agree, 1 where two labels have half of them each.
        votes: Ratings of each label that was given, most first.
    """

    item: Item
    entropy: float
    votes: dict[str, int]


def disputes(items: Sequence[Item], labels: Sequence[str], *, min_entropy: float = 0.0) -> list[Dispute]:
    """Return the rows that raters disagree on, highest entropy first; equal ones by number of ratings, then in order.

    Rows with gold or a correction are settled and do not come.

    Args:
        items: Rows with their ratings.
        labels: All labels.
        min_entropy: In bits; a row's entropy must be higher.

    Raises:
        DataError: A label is not among ``labels``.
    """
    open_items = [item for item in items if item.gold is None and item.corrected is None]
    counts_NL = table_of(open_items, labels).counts_NL
    found = []
    for item, counts_L, entropy in zip(open_items, counts_NL, _entropies(counts_NL), strict=True):
        if entropy > min_entropy:
            order = sorted(np.flatnonzero(counts_L).tolist(), key=lambda label: -counts_L[label])
            found.append(
                Dispute(item, float(entropy), {labels[label]: int(counts_L[label]) for label in order})
            )
    return sorted(found, key=lambda dispute: (-dispute.entropy, -sum(dispute.votes.values())))


def _entropies(counts_NL: NDArray[np.int64]) -> NDArray[np.float64]:
    totals_N = counts_NL.sum(axis=1, keepdims=True)
    shares_NL = counts_NL / np.maximum(totals_N, 1)
    logs_NL = np.log2(shares_NL, out=np.zeros_like(shares_NL), where=shares_NL > 0)
    # Rounded, so that equal disagreement is equal whatever the order of the labels.
    entropies_N: NDArray[np.float64] = np.abs(np.round((shares_NL * logs_NL).sum(axis=1), 12))
    return entropies_N
