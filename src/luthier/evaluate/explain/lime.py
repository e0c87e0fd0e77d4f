"""LIME: a linear model of what the classifier says when words are left out, nearer texts counting more.

Reference: M. T. Ribeiro, S. Singh and C. Guestrin, "Why Should I Trust You?", arXiv:1602.04938; width and distance are
those of its text explainer.
"""

from __future__ import annotations

import numpy as np

from luthier.evaluate.explain.shapley import Game, Values

_WIDTH = 25.0
_RIDGE = 1.0


def lime_weights(game: Game, num_units: int, *, num_samples: int, seed: int) -> Values:
    """Return the weight of each unit in the local linear model.

    Args:
        game: The value of subsets of units.
        num_units: Units.
        num_samples: Texts with words left out.
        seed: Of their choice.
    """
    if num_units == 0:
        return np.zeros(0)
    generator = np.random.default_rng(seed)
    removed = generator.integers(1, num_units + 1, size=num_samples)
    order = generator.random((num_samples, num_units)).argsort(axis=1).argsort(axis=1)
    subsets = np.concatenate([np.ones((1, num_units), dtype=bool), order >= removed[:, None]])
    distance = 100.0 * (1.0 - np.sqrt(subsets.mean(axis=1)))  # cosine to the whole text
    root = np.sqrt(np.exp(-((distance / _WIDTH) ** 2)) ** 0.5)
    member = np.column_stack([subsets.astype(np.float64), np.ones(len(subsets))])
    penalty = np.sqrt(_RIDGE) * np.eye(num_units, num_units + 1)  # the constant is free
    left = np.concatenate([member * root[:, None], penalty])
    right = np.concatenate([game(subsets) * root, np.zeros(num_units)])
    return np.asarray(np.linalg.lstsq(left, right, rcond=None)[0][:-1])
