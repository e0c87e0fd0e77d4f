"""Calibration error: whether answers that a model is 80 % sure of are right in 80 % of cases."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike


def calibration_error(
    confidences: ArrayLike,
    is_correct: ArrayLike,
    *,
    num_bins: int = 15,
    norm: Literal["l1", "l2", "max"] = "l1",
) -> float:
    """Return the distance between confidence and accuracy over bins of equal width.

    Args:
        confidences: Probability that the model gives its answer, from 0 to 1, shape [N].
        is_correct: Whether the answer is right, shape [N].
        num_bins: Bins from 0 to 1; one holds its lower end, the last one both.
        norm: ``l1`` weighs the bins' distances by their rows (ECE), ``l2`` takes the root of the mean square,
            ``max`` the largest (MCE).

    Raises:
        ValueError: There is no row, the shapes differ, or a confidence is no probability.

    Reference: C. Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599, section 2; equals
    torchmetrics' ``calibration_error``.
    """
    sure_N, right_N = np.asarray(confidences, dtype=np.float64), np.asarray(is_correct, dtype=np.float64)
    if sure_N.shape != right_N.shape or not sure_N.size:
        raise ValueError(f"{sure_N.size} confidences cannot be compared with {right_N.size} answers")
    if not ((sure_N >= 0) & (sure_N <= 1)).all():
        raise ValueError("a confidence lies from 0 to 1")
    bin_N = np.minimum(
        np.searchsorted(np.linspace(0, 1, num_bins + 1), sure_N, side="right") - 1, num_bins - 1
    )
    count_B = np.bincount(bin_N, minlength=num_bins)
    used_B = count_B > 0
    gap_B = np.abs(np.bincount(bin_N, sure_N, num_bins) - np.bincount(bin_N, right_N, num_bins))[used_B]
    gap_B /= count_B[used_B]
    share_B = count_B[used_B] / sure_N.size
    if norm == "max":
        return float(gap_B.max())
    return float(share_B @ gap_B if norm == "l1" else np.sqrt(share_B @ gap_B**2))
