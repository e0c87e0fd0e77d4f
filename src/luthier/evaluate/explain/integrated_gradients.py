"""Integrated gradients: what each part of the input adds on the straight way from a baseline to the input.

Reference: M. Sundararajan, A. Taly and Q. Yan, Axiomatic Attribution for Deep Networks, arXiv:1703.01365, equation 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

_AT_ONCE = 10


def integrated_gradients(
    function: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    baseline: torch.Tensor,
    *,
    num_steps: int = 50,
) -> torch.Tensor:
    """Return the attribution of each element of ``x``; they add up to f(x) − f(baseline), the completeness axiom.

    Args:
        function: From inputs [B, ...] to values [B], differentiable.
        x: The input, without batch.
        baseline: Where the way begins, of the same shape.
        num_steps: Points of the Gauss-Legendre rule.
    """
    points, weights = np.polynomial.legendre.leggauss(num_steps)
    alphas = torch.tensor((points + 1) / 2, dtype=x.dtype)
    shares = torch.tensor(weights / 2, dtype=x.dtype)
    total = torch.zeros_like(x)
    for start in range(0, num_steps, _AT_ONCE):
        shape = (-1, *[1] * x.dim())
        alpha, share = (part[start : start + _AT_ONCE].reshape(shape) for part in (alphas, shares))
        inputs = (baseline + alpha * (x - baseline)).requires_grad_()
        (gradient,) = torch.autograd.grad(function(inputs).sum(), inputs)
        total += (share * gradient).sum(dim=0)
    return (x - baseline) * total
