"""Correction for many comparisons: p-values that stay honest where several differences are looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return p-values that keep the chance of even one false finding below the level they are compared with.

    Args:
        p_values: One a comparison, in any order, each from 0 to 1.

    Returns:
        Adjusted values in the same order, at most 1.

    Raises:
        ValueError: A value is no probability.

    Reference: S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979; equals
    ``multipletests(method="holm")`` of statsmodels.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():  # so that NaN is refused, too
        raise ValueError("a p-value lies from 0 to 1")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
