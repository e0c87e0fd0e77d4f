"""Beginnings that sequences of a micro-batch have in common, computed once: a causal model sees nothing else there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

# Shapes: S sequences, N their tokens together, M of those that are computed, J key-value heads, D width of a head.


@dataclass(frozen=True)
class SharedPrefixes:
    """Which tokens are computed, and where those that are not find their hidden states.

    In a causal model the hidden state of a token follows from the tokens up to it. Where two sequences begin with the
    same tokens, one of them computes that beginning and the other reads it: system prompts, tool descriptions, the
    prompt of a chosen and a rejected answer, several answers to one question.

    Args:
        lengths: Of each sequence: leading tokens that another one computes.
        lender: Of each sequence: the one that it reads them from.
        order: Sequences, each after its lender.
        boundaries: Start of each sequence among all tokens, then their number.
        computed_M: Place among all tokens of each computed one.
        place_N: Place among the computed tokens of each token.
    """

    lengths: tuple[int, ...]
    lender: tuple[int, ...]
    order: tuple[int, ...]
    boundaries: tuple[int, ...]
    computed_M: Tensor
    place_N: Tensor

    @classmethod
    def find(cls, tokens_N: Tensor, positions_N: Tensor, boundaries: Sequence[int]) -> SharedPrefixes | None:
        """Return what the sequences share, or None if they share nothing.

        Sequences are sorted: each then shares most with the one before it, and a tree of beginnings comes about
        without a search.

        Args:
            tokens_N: Token ids.
            positions_N: Their positions; beginnings at other positions are not the same.
            boundaries: Start of each sequence, then the number of tokens.
        """
        tokens, positions = tokens_N.numpy(), positions_N.numpy()
        rows = [(int(positions[start]), *tokens[start:end].tolist()) for start, end in pairwise(boundaries)]
        order = sorted(range(len(rows)), key=rows.__getitem__)
        lengths, lender = [0] * len(rows), list(range(len(rows)))
        for before, number in pairwise(order):
            if (common := _common(rows[before], rows[number])) > 1:  # the first entry is the position
                lengths[number], lender[number] = common - 1, before
        if not any(lengths):
            return None
        is_computed = np.ones(len(tokens), dtype=bool)
        for number, start in enumerate(boundaries[:-1]):
            is_computed[start : start + lengths[number]] = False
        place = np.cumsum(is_computed) - 1
        for number in order:
            start, lent, length = boundaries[number], boundaries[lender[number]], lengths[number]
            place[start : start + length] = place[lent : lent + length]
        return cls(
            tuple(lengths),
            tuple(lender),
            tuple(order),
            tuple(boundaries),
            torch.from_numpy(is_computed.nonzero()[0]),
            torch.from_numpy(place),
        )

    def collect(self, grad_JND: Tensor) -> Tensor:
        """Return the gradient of the computed tokens [J, M, D]: what each token got is added to what it was read from.

        Args:
            grad_JND: Gradient of all tokens; changed in place.
        """
        for number in reversed(self.order):
            if length := self.lengths[number]:
                start, lent = self.boundaries[number], self.boundaries[self.lender[number]]
                grad_JND[:, lent : lent + length].add_(grad_JND[:, start : start + length])
        return grad_JND.index_select(1, self.computed_M)


def _common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Return how many leading entries are equal."""
    length = min(len(one), len(other))
    differs = np.not_equal(one[:length], other[:length])
    return int(differs.argmax()) if differs.any() else length
