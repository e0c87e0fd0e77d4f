"""Shapley values of a text's units: exact for short texts, Kernel SHAP for longer ones.

Reference: S. Lundberg and S.-I. Lee, A Unified Approach to Interpreting Model Predictions, arXiv:1705.07874, theorem 2;
pairs of a subset and its complement: I. Covert and S.-I. Lee, Improving KernelSHAP, arXiv:2012.01536.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Game = Callable[[NDArray[np.bool_]], Values]
"""From subsets [subsets, units] to the value of each; called with many at once."""

_EXACT_UNITS = 9
"""Units up to which all subsets, 512 of them, are asked for."""


def shapley_values(game: Game, num_units: int, *, num_samples: int, seed: int) -> Values:
    """Return the Shapley value of each unit; they add up to the value of all units less that of none.

    Args:
        game: The value of subsets.
        num_units: Units.
        num_samples: Subsets to ask for where there are too many for all.
        seed: Of their choice.
    """
    if num_units == 0:
        return np.zeros(0)
    if num_units <= _EXACT_UNITS or 2**num_units <= num_samples:
        return exact_shapley(game, num_units)
    return kernel_shap(game, num_units, num_samples=num_samples, seed=seed)


def exact_shapley(game: Game, num_units: int) -> Values:
    """Return the values by their definition, over all subsets."""
    numbers = np.arange(2**num_units)
    subsets = (numbers[:, None] >> np.arange(num_units)) & 1 > 0
    value = game(subsets)
    size = subsets.sum(axis=1)
    weight = np.array(
        [
            factorial(s) * factorial(num_units - s - 1) / factorial(num_units) if s < num_units else 0.0
            for s in range(num_units + 1)
        ]
    )
    found = np.zeros(num_units)
    for unit in range(num_units):
        without = numbers[~subsets[:, unit]]
        found[unit] = (weight[size[without]] * (value[without | (1 << unit)] - value[without])).sum()
    return found


def kernel_shap(game: Game, num_units: int, *, num_samples: int, seed: int) -> Values:
    """Return the values as the weighted regression of the game on membership, by sampled subsets."""
    generator = np.random.default_rng(seed)
    sizes = np.arange(1, num_units)
    chance = 1.0 / (sizes * (num_units - sizes))
    drawn = generator.choice(sizes, size=max(num_samples // 2, num_units), p=chance / chance.sum())
    order = generator.random((len(drawn), num_units)).argsort(axis=1).argsort(axis=1)
    half = order < drawn[:, None]
    subsets = np.concatenate([half, ~half])
    ends = game(np.stack([np.zeros(num_units, dtype=bool), np.ones(num_units, dtype=bool)]))
    total = ends[1] - ends[0]
    member = subsets.astype(np.float64)
    # The last unit has what the others leave of the total, so that the sum holds exactly.
    left = member[:, :-1] - member[:, -1:]
    right = game(subsets) - ends[0] - member[:, -1] * total
    others = np.linalg.lstsq(left, right, rcond=None)[0]
    return np.append(others, total - others.sum())
