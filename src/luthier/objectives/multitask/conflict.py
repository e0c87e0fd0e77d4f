"""Gradient conflict: how far the gradients of tasks point into the same direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from luthier.objectives.multitask.pcgrad import Gradient, dot


def cosines(gradients: Sequence[Gradient]) -> dict[tuple[int, int], float]:
    """Return the cosine between the gradients of each two tasks: below 0 they conflict.

    A pair with a gradient of zero has no cosine and is left out.

    Args:
        gradients: Of the shared weights, a task each.
    """
    norms = [math.sqrt(dot(gradient, gradient)) for gradient in gradients]
    return {
        (one, two): dot(gradients[one], gradients[two]) / (norms[one] * norms[two])
        for one, two in combinations(range(len(gradients)), 2)
        if norms[one] and norms[two]
    }
