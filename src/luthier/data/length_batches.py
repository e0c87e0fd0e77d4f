"""Batches for measuring: filled by tokens, rows of similar length together, so that padding wastes little."""

from __future__ import annotations

from collections.abc import Sequence

_BATCH_TOKENS = 2048


def batches_by_length(lengths: Sequence[int]) -> list[list[int]]:
    """Return row numbers batch by batch, the shortest rows first.

    Args:
        lengths: Tokens of each row.
    """
    batches: list[list[int]] = [[]]
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches[-1] and (len(batches[-1]) + 1) * lengths[number] > _BATCH_TOKENS:
            batches.append([])
        batches[-1].append(number)
    return batches
