"""A penalty on distance between groups: mean probabilities that groups are promised, pulled together.

Reference: the mean-difference regulariser of T. Kamishima et al., Fairness-aware Learning through Regularization
Approach, 2011, and of A. Beutel et al., Putting Fairness Principles into Practice, arXiv:1901.04562, squared.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def group_distance(
    chance_B: torch.Tensor, group_B: torch.Tensor, parts: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Return the squared distance of each group's mean from that of all groups, summed over parts of the batch.

    A part with rows of one group only says nothing and adds nothing.

    Args:
        chance_B: Probability of the label, with gradient.
        group_B: Number of each row's group; rows below 0 have none.
        parts: Rows that are compared with each other, as masks [B].
    """
    total = chance_B.new_zeros(())
    for part_B in parts:
        own = [group for group in group_B[part_B].unique().tolist() if group >= 0]
        if len(own) < 2:
            continue
        means = torch.stack([chance_B[part_B & (group_B == group)].mean() for group in own])
        total = total + ((means - means.mean()) ** 2).sum()
    return total
