"""Sampling rates of tasks: proportional to their rows, tempered, or given, and the rows of an epoch that follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rates = NDArray[np.float64]
"""Share of the rows that each task gives, shape [tasks]; they add up to 1."""


def tempered_rates(num_rows: Sequence[int], *, temperature: float = 1.0, limit: int | None = None) -> Rates:
    """Return rates proportional to ``min(rows, limit) ** (1 / temperature)``.

    Temperature 1 is proportional mixing; a high temperature comes near to equal rates.

    Args:
        num_rows: Training rows of each task, all positive.
        temperature: T; mT5 writes 1 / T as alpha.
        limit: A task counts as if it had at most this many rows; none of them is left out for good.

    Reference:
        Raffel et al. 2020 (T5, arXiv:1910.10683), section 3.5.2: examples-proportional mixing with an artificial
        limit K, and temperature-scaled mixing. Xue et al. 2021 (mT5, arXiv:2010.11934), section 3.1.
    """
    sizes = np.minimum(num_rows, np.inf if limit is None else limit).astype(np.float64)
    # By the largest, so that no power overflows at a temperature near 0.
    tempered = (sizes / sizes.max()) ** (1.0 / temperature)
    return np.asarray(tempered / tempered.sum())


def given_rates(weights: Sequence[float]) -> Rates:
    """Return rates proportional to weights, all positive."""
    values = np.asarray(weights, dtype=np.float64)
    return np.asarray(values / values.sum())


def rows_per_epoch(rates: Rates, total: int) -> list[int]:
    """Divide an epoch of ``total`` rows by rates: every task gets the nearest number, and at least 1.

    Largest remainders get the rows that rounding down leaves over, the first task first where they are equal.
    """
    exact = rates * total
    quotas = np.floor(exact + 1e-9).astype(np.int64)  # a share that is whole but for rounding is whole
    by_remainder = np.argsort(-(exact - quotas), kind="stable")
    quotas[by_remainder[: max(total - int(quotas.sum()), 0)]] += 1
    return [int(quota) for quota in np.maximum(quotas, 1)]
