"""pass@k: the chance that at least one of k samples solves a problem."""

from __future__ import annotations

import numpy as np


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Return the unbiased estimate from n samples, c of them correct: ``1 - C(n - c, k) / C(n, k)``.

    Args:
        num_samples: Drawn for the problem, n.
        num_correct: Of these, c.
        k: At most n.

    Raises:
        ValueError: k samples were not drawn, or more are correct than drawn.

    Reference: M. Chen et al., Evaluating Large Language Models Trained on Code, arXiv:2107.03374, section 2.1.
    """
    if not 1 <= k <= num_samples:
        raise ValueError(f"pass@{k} cannot be estimated from {num_samples} samples")
    if not 0 <= num_correct <= num_samples:
        raise ValueError(f"{num_correct} of {num_samples} samples cannot be correct")
    if num_samples - num_correct < k:
        return 1.0
    # As a product, so that large binomials neither overflow nor cancel.
    return float(1.0 - np.prod(1.0 - k / np.arange(num_samples - num_correct + 1, num_samples + 1)))
