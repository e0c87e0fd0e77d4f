"""Distinct-n: how many of the runs of n words are different ones; low where a model repeats itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from luthier.evaluate.answers import words_of


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Return different runs of n words by all of them, over all texts together; 0 where there are none.

    It falls as the texts grow in number or length: compare equal amounts only.

    Reference: J. Li et al., A Diversity-Promoting Objective Function, arXiv:1510.03055, section 5.
    """
    runs = [run for text in texts for run in _runs(text, n)]
    return len(set(runs)) / len(runs) if runs else 0.0


def distinct_figures(texts: Sequence[str], n: int = 2) -> NDArray[np.float64]:
    """Return different runs and all runs within each text, shape [N, 2]: a text that repeats itself has fewer.

    Their sums can be resampled, which the runs of all texts together cannot: a row that is drawn twice has no new run.
    """
    counts = [(len(set(runs)), len(runs)) for runs in (_runs(text, n) for text in texts)]
    return np.array(counts, dtype=np.float64).reshape(-1, 2)


def _runs(text: str, n: int) -> list[tuple[str, ...]]:
    words = words_of(text)
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
