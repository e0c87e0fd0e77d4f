"""Calibration error: whether answers that a model is 80 % sure of are right in 80 % of cases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from luthier.objectives.contract import Values

# Shapes: N rows, D decisions of a row, B bins.

NUM_BINS = 15


def calibration_figures(sure_ND: Values, right_ND: NDArray[np.bool_], *, num_bins: int = NUM_BINS) -> Values:
    """Return of each row what its decisions are surer than right by, in each bin, and how many there are: [N, B + 1].

    Args:
        sure_ND: Probability that the model gives each decision, from 0 to 1.
        right_ND: Whether the decision is right.
        num_bins: Bins of equal width from 0 to 1; one holds its lower end, the last one both.

    Raises:
        ValueError: A confidence is no probability.
    """
    if not ((sure_ND >= 0) & (sure_ND <= 1)).all():  # so that NaN is refused, too
        raise ValueError("a confidence lies from 0 to 1")
    edges = np.linspace(0, 1, num_bins + 1)
    bin_ND = np.minimum(np.searchsorted(edges, sure_ND, side="right") - 1, num_bins - 1)
    figures = np.zeros((len(sure_ND), num_bins + 1))
    rows = np.broadcast_to(np.arange(len(sure_ND))[:, None], bin_ND.shape)
    np.add.at(figures, (rows, bin_ND), sure_ND - right_ND)
    figures[:, -1] = sure_ND.shape[1]
    return figures


def calibration_error(sums: Values) -> Values:
    """Return the distance of confidence and accuracy, the mean over decisions, from sums [..., B + 1].

    Reference:
        C. Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599, section 2 (ECE); equals torchmetrics'
        ``calibration_error`` with norm l1.
    """
    return np.asarray(np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1])
