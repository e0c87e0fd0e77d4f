"""ROUGE-N: how many runs of n words answer and reference have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from luthier.evaluate.answers import words_of


def rouge_n(answer: str, reference: str, n: int) -> float:
    """Return the F-measure of ROUGE-N from 0 to 1; the words are those of `luthier.evaluate.answers.rouge_l`.

    Reference: C.-Y. Lin, ROUGE, 2004, section 2; as Google's ``rouge-score`` computes it, without stems.
    """
    said, right = (_runs(text, n) for text in (answer, reference))
    total = said.total() + right.total()
    return 2 * (said & right).total() / total if total else 0.0


def rouge_n_figures(answers: Sequence[str], references: Sequence[str], n: int) -> NDArray[np.float64]:
    """Return score and 1 for each row, shape [N, 2]; ROUGE of all is the mean over rows."""
    scores = [(rouge_n(a, r, n), 1.0) for a, r in zip(answers, references, strict=True)]
    return np.array(scores, dtype=np.float64).reshape(-1, 2)


def _runs(text: str, n: int) -> Counter[tuple[str, ...]]:
    words = words_of(text)
    return Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1))
