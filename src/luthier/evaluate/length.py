"""Length of answers in words, beside that of their references; a Chinese character is a word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from luthier.evaluate.answers import words_of


def length_figures(answers: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """Return words of answer and reference of each row, shape [N, 2]; their sums' ratio is 1 where lengths agree."""
    counts = [(len(words_of(a)), len(words_of(r))) for a, r in zip(answers, references, strict=True)]
    return np.array(counts, dtype=np.float64).reshape(-1, 2)
