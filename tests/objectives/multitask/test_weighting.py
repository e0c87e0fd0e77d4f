"""Loss weights against their papers' equations, and state that survives a checkpoint to the bit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
import torch

from luthier.objectives.multitask.dynamic_average import DynamicAverage
from luthier.objectives.multitask.gradnorm import LEAST_FACTOR, GradNorm
from luthier.objectives.multitask.uncertainty import UncertaintyWeights
from luthier.objectives.multitask.weighting import StaticWeights, Weighting


def test_static_factors_are_given() -> None:
    weights = StaticWeights([1.0, 0.25])
    weights.update({0: 3.0, 1: 1.0}, {})
    assert weights.factors() == [1.0, 0.25]


def test_uncertainty_learns_as_kendalls_equation_10_does() -> None:
    # 1 / sigma^2 L + log sigma, with s = log sigma^2, differentiated by autograd and stepped by torch's Adam.
    steps = [[3.0, 0.2], [2.5, 0.2], [2.0, 0.1], [1.5, 0.05]]
    weights = UncertaintyWeights(2, learning_rate=0.02)
    log_variance = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([log_variance], lr=0.02)
    for losses in steps:
        weights.update(dict(enumerate(losses)), {})
        sigma = torch.exp(log_variance / 2)
        optimizer.zero_grad()
        (torch.tensor(losses, dtype=torch.float64) / sigma**2 + sigma.log()).sum().backward()
        optimizer.step()
    assert weights.factors() == pytest.approx(torch.exp(-log_variance).tolist(), rel=1e-9)


def test_the_learnt_variance_of_a_constant_loss_is_twice_the_loss() -> None:
    # d/ds (exp(-s) L + s / 2) = 0 at exp(s) = 2 L.
    weights = UncertaintyWeights(2, learning_rate=0.05)
    for _ in range(600):
        weights.update({0: 0.7}, {})
    assert 1 / weights.factors()[0] == pytest.approx(1.4, rel=1e-3)
    assert weights.factors()[1] == 1.0


def test_dynamic_average_is_lius_equation_7() -> None:
    # lambda = K softmax(w / T), w the ratio of the last two averages: 0.5 and 0.9 here; T = 2, K = 2.
    weights = DynamicAverage(2, period=2, temperature=2.0)
    for losses in ([2.0, 1.0], [2.0, 1.0]):
        weights.update(dict(enumerate(losses)), {})
    assert weights.factors() == [1.0, 1.0]  # the paper's first two periods
    for losses in ([0.8, 1.0], [1.2, 0.8]):
        weights.update(dict(enumerate(losses)), {})
    powers = [math.exp(0.5 / 2), math.exp(0.9 / 2)]
    assert weights.factors() == pytest.approx([2 * power / sum(powers) for power in powers])
    assert weights.factors()[1] > 1 > weights.factors()[0]


def test_a_task_that_was_not_seen_keeps_ratio_one() -> None:
    weights = DynamicAverage(2, period=1, temperature=1.0)
    for loss in (4.0, 2.0):
        weights.update({0: loss}, {})
    powers = [math.exp(0.5), math.exp(1.0)]
    assert weights.factors() == pytest.approx([2 * power / sum(powers) for power in powers])


def gradnorm_by_autograd(
    steps: list[tuple[list[float], list[float]]], *, alpha: float, learning_rate: float
) -> list[float]:
    """Equations 1 and 2 of arXiv:1711.02257, differentiated by autograd, stepped by torch's Adam."""
    weights = torch.ones(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=learning_rate)
    first = torch.tensor(steps[0][0], dtype=torch.float64)
    for losses, norms in steps:
        relative = torch.tensor(losses, dtype=torch.float64) / first
        weighted = weights * torch.tensor(norms, dtype=torch.float64)
        target = (weighted.mean() * (relative / relative.mean()) ** alpha).detach()
        optimizer.zero_grad()
        (weighted - target).abs().sum().backward()
        optimizer.step()
        with torch.no_grad():
            weights.mul_(2 / weights.sum())
    return weights.tolist()


STEPS = [
    ([2.0, 1.0], [1.0, 3.0]),
    ([1.8, 0.5], [1.1, 2.0]),
    ([1.7, 0.4], [0.9, 2.5]),
    ([1.7, 0.3], [0.9, 0.1]),
]


def test_gradnorm_is_chens_equations() -> None:
    weights = GradNorm(2, alpha=1.5, learning_rate=0.025)
    for losses, norms in STEPS:
        weights.update(dict(enumerate(losses)), dict(enumerate(norms)))
    expected = gradnorm_by_autograd(STEPS, alpha=1.5, learning_rate=0.025)
    assert weights.factors() == pytest.approx(expected, rel=1e-9)


def test_alpha_zero_makes_the_norms_equal() -> None:
    # w g equal and w adding up to 2, with g = 1 and 4: w = 1.6 and 0.4.
    weights = GradNorm(2, alpha=0.0, learning_rate=0.005)
    for _ in range(600):
        weights.update({0: 1.0, 1: 1.0}, {0: 1.0, 1: 4.0})
    assert weights.factors() == pytest.approx([1.6, 0.4], abs=0.02)


def test_tasks_that_take_part_share_what_they_had() -> None:
    weights = GradNorm(3, alpha=0.0, learning_rate=0.1)
    weights.update({0: 1.0}, {0: 1.0})
    assert weights.factors() == [1.0, 1.0, 1.0]
    weights.update({0: 1.0, 2: 1.0}, {0: 1.0, 2: 9.0})
    assert weights.factors()[1] == 1.0
    assert sum(weights.factors()) == pytest.approx(3.0)
    assert weights.factors()[0] > 1.0 > weights.factors()[2]


def test_no_factor_reaches_zero() -> None:
    weights = GradNorm(2, alpha=0.0, learning_rate=0.5)
    for _ in range(20):
        weights.update({0: 1.0, 1: 1.0}, {0: 1.0, 1: 1e6})
    assert 0 < weights.factors()[1] <= 2 * LEAST_FACTOR


MADE: list[Callable[[], Weighting]] = [
    lambda: StaticWeights([1.0, 2.0]),
    lambda: UncertaintyWeights(2, learning_rate=0.01),
    lambda: DynamicAverage(2, period=3, temperature=2.0),
    lambda: GradNorm(2, alpha=1.5, learning_rate=0.025),
]


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("stop", [1, 4, 5])
def test_state_survives_a_checkpoint_to_the_bit(make: Callable[[], Weighting], stop: int) -> None:
    steps = [({0: 1.0 / (n + 1), 1: math.exp(-n / 7)}, {0: 0.1 + n / 3, 1: 1.7 / (n + 1)}) for n in range(11)]
    whole, first, resumed = make(), make(), make()
    for step in steps:
        whole.update(*step)
    for step in steps[:stop]:
        first.update(*step)
    resumed.restore(json.loads(json.dumps(first.state())))
    for step in steps[stop:]:
        resumed.update(*step)
    assert resumed.factors() == whole.factors()
    assert json.dumps(resumed.state()) == json.dumps(whole.state())
