"""PCGrad: where the gradients of two tasks conflict, each loses its component against the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

Gradient = Sequence[torch.Tensor]
"""A task's gradient of the shared weights, a tensor for each of them."""

_LEAST_SQUARE = float(np.finfo(np.float64).tiny)


def dot(one: Gradient, two: Gradient) -> float:
    """Return the inner product of two gradients."""
    return float(sum(torch.sum(a * b, dtype=torch.float64) for a, b in zip(one, two, strict=True)))


def project_conflicts(
    gradients: Sequence[Gradient], generator: np.random.Generator
) -> list[list[torch.Tensor]]:
    """Return each task's gradient without its conflicts; their sum is the step's gradient.

    For each task i, and the others j in random order: where the projected g_i has a negative inner product
    with the original g_j, ``g_i -= (g_i . g_j) / |g_j|^2 g_j``. A g_j whose square is not a normal number of
    float64 has no direction left to be projected on.

    Args:
        gradients: Of each task.
        generator: Draws the orders.

    Reference:
        Yu et al. 2020, Gradient Surgery for Multi-Task Learning (arXiv:2001.06782), algorithm 1.
    """
    squares = [dot(gradient, gradient) for gradient in gradients]
    projected = []
    for task, gradient in enumerate(gradients):
        own = [tensor.clone() for tensor in gradient]
        others = [other for other in range(len(gradients)) if other != task]
        for other in generator.permutation(others) if others else ():
            product = dot(own, gradients[other])
            if product < 0 and squares[other] >= _LEAST_SQUARE:
                for tensor, against in zip(own, gradients[other], strict=True):
                    tensor.sub_(against, alpha=product / squares[other])
        projected.append(own)
    return projected
