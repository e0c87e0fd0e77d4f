"""Power laws that are known are found again, and what is not known is not promised."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.evaluate.fitting.power_law import fit, forecast
from luthier.evaluate.statistics import Interval
from luthier.pipeline.learning_curve import verdict

ROWS = [100, 300, 1000, 3000]


def around(losses: list[float], half: float) -> list[Interval]:
    return [Interval(loss, loss - half, loss + half) for loss in losses]


def curve(floor: float, scale: float, exponent: float) -> list[float]:
    return [floor + scale * n**-exponent for n in ROWS]


@pytest.mark.parametrize("known", [(1.0, 8.0, 0.5), (0.0, 5.0, 0.2), (2.0, 50.0, 1.0)])
def test_a_known_law_is_found_again(known: tuple[float, float, float]) -> None:
    law = fit(ROWS, np.array(curve(*known)), np.full(4, 0.01))
    assert (law.floor, law.scale, law.exponent) == pytest.approx(known, rel=0.05, abs=0.02)
    assert law.at(6000) == pytest.approx(known[0] + known[1] * 6000 ** -known[2], rel=1e-3)


def test_a_falling_curve_promises_and_a_flat_one_does_not() -> None:
    falling = forecast(ROWS, around(curve(0.5, 20.0, 0.4), 0.01), 6000, confidence=0.95, seed=0)
    assert falling.drop.low > 0.01 and verdict(falling).startswith("more rows help")
    flat = forecast(ROWS, around([2.0, 2.0, 2.0, 2.0], 0.002), 6000, confidence=0.95, seed=0)
    assert flat.drop.high < 0.01 and "hardly help" in verdict(flat)
    noisy = forecast(ROWS, around(curve(0.5, 20.0, 0.4), 1.5), 6000, confidence=0.95, seed=0)
    assert noisy.drop.low < 0.01 < noisy.drop.high and verdict(noisy).startswith("not sure")


def test_a_loss_that_grows_with_rows_is_no_gain() -> None:
    grown = forecast(ROWS, around([1.0, 1.1, 1.2, 1.3], 0.01), 6000, confidence=0.95, seed=0)
    assert grown.law.scale == 0.0 and grown.drop.value == 0.0
    assert not grown.is_sound and "no power law" in verdict(grown)


def test_losses_of_too_few_steps_are_no_forecast() -> None:
    # MiniLM on 63 to 720 rows of Banking77, one epoch each: the more rows, the more steps, and the faster it falls.
    measured = [
        Interval(2.4355, 2.4268, 2.4446),
        Interval(2.2893, 2.2597, 2.3225),
        Interval(1.7827, 1.7354, 1.8349),
        Interval(1.1231, 1.0644, 1.1966),
    ]
    found = forecast([63, 150, 356, 720], measured, 1440, confidence=0.95, seed=0)
    assert found.loss.value > measured[-1].high and found.misfit > 0.3
    assert "no power law" in verdict(found) and "train.max_steps" in verdict(found)
    sound = forecast(ROWS, around(curve(0.5, 20.0, 0.4), 0.01), 6000, confidence=0.95, seed=0)
    assert sound.misfit == 0.0


def test_intervals_cover_the_true_loss() -> None:
    generator, truth, hits = np.random.default_rng(1), curve(1.0, 8.0, 0.5), 0
    expected = 1.0 + 8.0 * 6000**-0.5
    for seed in range(40):
        seen = [loss + 0.02 * generator.standard_normal() for loss in truth]
        found = forecast(ROWS, around(seen, 0.02 * 1.96), 6000, confidence=0.95, seed=seed)
        hits += found.loss.low <= expected <= found.loss.high
    assert hits >= 34


def test_two_sizes_make_no_curve() -> None:
    with pytest.raises(DataError, match="three different numbers of rows"):
        forecast([10, 10, 20], around([2.0, 2.0, 1.0], 0.1), 40, confidence=0.95, seed=0)
