"""Calibration errors have torchmetrics' published values."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.evaluate.calibration import calibration_error


@pytest.mark.parametrize(("norm", "value"), [("l1", 0.29), ("l2", 0.2918), ("max", 0.3167)])
def test_published_values(norm: str, value: float) -> None:
    # torchmetrics, docstring of BinaryCalibrationError, two bins.
    found = calibration_error([0.25, 0.25, 0.55, 0.75, 0.75], [0, 0, 1, 1, 1], num_bins=2, norm=norm)  # type: ignore[arg-type]
    assert found == pytest.approx(value, abs=5e-5)


def test_a_calibrated_model_has_little_and_a_sure_one_much() -> None:
    generator = np.random.default_rng(0)
    sure = generator.uniform(0.5, 1, 20_000)
    right = generator.uniform(size=20_000) < sure
    assert calibration_error(sure, right) < 0.02
    assert calibration_error(np.full(20_000, 1.0), right) == pytest.approx(1 - right.mean())


@pytest.mark.parametrize(("sure", "right"), [([], []), ([0.5], [1, 0]), ([1.5], [1])])
def test_what_is_no_confidence(sure: list[float], right: list[int]) -> None:
    with pytest.raises(ValueError, match="confidence"):
        calibration_error(sure, right)
