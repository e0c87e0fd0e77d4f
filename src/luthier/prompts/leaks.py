"""Leaks: an example that is the evaluation row itself, or its duplicate, would tell the answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from luthier.data.duplicates.shingle_sets import jaccard, sets_of
from luthier.data.duplicates.shingles import fold, shingles_of
from luthier.prompts.rows import PromptRow

_NGRAM = 3  # characters: the same for scripts with and without spaces
NEAR = 0.8
"""Jaccard similarity of two texts' n-grams from which they are duplicates, as in `luthier data dedup --near`."""


class LeakCheck:
    """Tells which rows of a pool are an evaluation row or a duplicate of it.

    Args:
        pool: Rows that examples are taken from.
        texts: What each of them asks, without its answer.
    """

    def __init__(self, pool: Sequence[PromptRow], texts: Sequence[str]) -> None:
        self._places = [_identity(row) for row in pool]
        self._folded = [fold([text]) for text in texts]

    def leaking(self, row: PromptRow, text: str, candidates: Sequence[int]) -> NDArray[np.bool_]:
        """Return which candidates must not be shown with a row.

        Args:
            row: The evaluation row.
            text: What it asks.
            candidates: Numbers of pool rows, C of them, from 0.

        Returns:
            Shape [C].
        """
        if not len(candidates):
            return np.zeros(0, dtype=np.bool_)
        place, folded = _identity(row), fold([text])
        sets = sets_of(shingles_of([folded, *(self._folded[number] for number in candidates)], _NGRAM))
        others = np.arange(1, len(candidates) + 1)
        alike = jaccard(sets, np.zeros(len(candidates), dtype=np.int64), others) >= NEAR
        same = [self._places[number] == place for number in candidates]
        return np.asarray(alike | np.array(same))

    def is_repeated(self, number: int, chosen: Sequence[int]) -> bool:
        """Whether an example says what a chosen one says already."""
        return any(self._folded[number] == self._folded[other] for other in chosen)


def _identity(row: PromptRow) -> tuple[str, int]:
    return str(Path(row.source).resolve()), row.number
