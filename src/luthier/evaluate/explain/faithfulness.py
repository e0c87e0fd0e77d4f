"""Faithfulness: whether words that an explanation calls important change the answer more than words by chance.

Reference: W. Samek et al., Evaluating the Visualization of What a Deep Neural Network Has Learned, arXiv:1509.06321
(area over the perturbation curve, AOPC).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luthier.evaluate.explain.shapley import Game, Values
from luthier.evaluate.statistics import Interval, Resampling, ratio_interval

_MOST_STEPS = 10
_RANDOM_ORDERS = 20


@dataclass(frozen=True)
class Faithfulness:
    """How well an explanation does on one text, beside random orders.

    Args:
        deletion: Mean drop of the value while the most important words are taken out, one after another.
        random_deletion: Of each random order.
        insertion: Mean value while they are put into the empty text.
        random_insertion: Of each random order.
    """

    deletion: float
    random_deletion: Values
    insertion: float
    random_insertion: Values

    @property
    def deletion_gain(self) -> float:
        """Beyond the mean of random orders."""
        return self.deletion - float(self.random_deletion.mean())

    @property
    def insertion_gain(self) -> float:
        """Beyond the mean of random orders."""
        return self.insertion - float(self.random_insertion.mean())


def check_faithfulness(game: Game, attribution: Values, *, seed: int) -> Faithfulness:
    """Take words out, and put them in, in the order of an attribution and in random ones; at least one word."""
    num_units = len(attribution)
    generator = np.random.default_rng(seed)
    orders = [np.argsort(-attribution, kind="stable")]
    orders += [generator.permutation(num_units) for _ in range(_RANDOM_ORDERS)]
    steps = min(num_units, _MOST_STEPS)
    kept = np.concatenate([_prefixes(order, steps, num_units) for order in orders])
    values = game(np.concatenate([np.ones((1, num_units), dtype=bool), ~kept, kept]))
    whole, curves = values[0], values[1:].reshape(2, len(orders), steps).mean(axis=2)
    drops, rises = whole - curves[0], curves[1]
    return Faithfulness(float(drops[0]), drops[1:], float(rises[0]), rises[1:])


@dataclass(frozen=True)
class Verdict:
    """What can be said over all texts.

    Args:
        deletion_gain: Mean over texts, with interval.
        insertion_gain: Likewise.
        beats_random: Whether both are proved to be above 0.
    """

    deletion_gain: Interval
    insertion_gain: Interval
    beats_random: bool


def judge_faithfulness(found: Sequence[Faithfulness], how: Resampling) -> Verdict:
    """Compare with random orders over all texts; a single text is compared with its own random orders."""
    if len(found) == 1:
        (one,) = found
        intervals = [
            _of_one(one.deletion, one.random_deletion, how),
            _of_one(one.insertion, one.random_insertion, how),
        ]
    else:
        ones = np.ones(len(found))
        gains = ([one.deletion_gain for one in found], [one.insertion_gain for one in found])
        intervals = [ratio_interval(np.array(gain), ones, how) for gain in gains]
    return Verdict(intervals[0], intervals[1], all(interval.low > 0 for interval in intervals))


def _of_one(value: float, random: Values, how: Resampling) -> Interval:
    """Return how far an order is beyond random ones: from the best of them to the worst, but for the tails."""
    tail = (1.0 - how.confidence) / 2.0
    high, low = np.quantile(random, [tail, 1.0 - tail])
    return Interval(value - float(random.mean()), value - float(low), value - float(high))


def _prefixes(order: NDArray[np.int64], steps: int, num_units: int) -> NDArray[np.bool_]:
    """Return the first one, two … of an order as subsets [steps, units]."""
    rank = np.empty(num_units, dtype=np.int64)
    rank[order] = np.arange(num_units)
    return np.asarray(rank[None] <= np.arange(steps)[:, None])
