"""The calibration error has torchmetrics' published value, and is a function of sums over rows."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.objectives.classification.calibration import calibration_error, calibration_figures


def _error(sure: list[float] | np.ndarray, right: list[int] | np.ndarray, num_bins: int = 15) -> float:
    figures = calibration_figures(
        np.asarray(sure, dtype=float)[:, None], np.asarray(right, dtype=bool)[:, None], num_bins=num_bins
    )
    return float(calibration_error(figures.sum(axis=0)))


def test_published_value() -> None:
    # torchmetrics, docstring of BinaryCalibrationError, norm l1, two bins.
    assert _error([0.25, 0.25, 0.55, 0.75, 0.75], [0, 0, 1, 1, 1], num_bins=2) == pytest.approx(0.29)


def test_a_calibrated_model_has_little_and_a_sure_one_much() -> None:
    generator = np.random.default_rng(0)
    sure = generator.uniform(0.5, 1, 20_000)
    right = generator.uniform(size=20_000) < sure
    assert _error(sure, right) < 0.02
    assert _error(np.full(20_000, 1.0), right) == pytest.approx(1 - right.mean())


def test_several_decisions_of_a_row_count_one_by_one() -> None:
    sure, right = np.array([[0.9, 0.8], [0.3, 0.2]]), np.array([[True, False], [False, True]])
    together = calibration_error(calibration_figures(sure, right).sum(axis=0))
    assert float(together) == pytest.approx(_error(sure.ravel(), right.ravel()))


@pytest.mark.parametrize("sure", [1.5, -0.1, float("nan")])
def test_what_is_no_confidence(sure: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        _error([sure], [1])
