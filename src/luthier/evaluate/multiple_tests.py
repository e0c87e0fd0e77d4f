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
    ordered, order = _sorted(p_values)
    stepped = np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1))
    return _restored(stepped, order)


def benjamini_hochberg(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return p-values that keep the expected share of false findings among the findings below a level.

    Choose it for screening, where many differences are looked at and some false ones do no harm; `holm` elsewhere.

    Args:
        p_values: One a comparison, in any order, each from 0 to 1.

    Returns:
        Adjusted values in the same order, at most 1.

    Raises:
        ValueError: A value is no probability.

    Reference: Y. Benjamini and Y. Hochberg, Controlling the False Discovery Rate, 1995; equals
    ``multipletests(method="fdr_bh")`` of statsmodels.
    """
    ordered, order = _sorted(p_values)
    scaled = ordered * len(ordered) / np.arange(1, len(ordered) + 1)
    stepped = np.minimum.accumulate(scaled[::-1])[::-1]
    return _restored(stepped, order)


def _sorted(p_values: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values = np.asarray(p_values, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():  # so that NaN is refused, too
        raise ValueError("a p-value lies from 0 to 1")
    order = np.argsort(values, kind="stable")
    return values[order], order


def _restored(stepped: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
