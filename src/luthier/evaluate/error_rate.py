"""Error rates: how many characters (CER) or words (WER) must be changed for each one of the reference."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Return the fewest substitutions, insertions and deletions that make one sequence of the other.

    Reference: V. I. Levenshtein, 1966; by the algorithm of Wagner and Fischer.
    """
    if len(first) < len(second):
        first, second = second, first
    row = list(range(len(second) + 1))
    for place, one in enumerate(first, start=1):
        before, row[0] = row[0], place
        for column, other in enumerate(second, start=1):
            kept = before if one == other else before + 1
            before, row[column] = row[column], min(kept, row[column] + 1, row[column - 1] + 1)
    return row[-1]


def cer_figures(answers: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """Return edits and reference characters of each row, shape [N, 2]; runs of white space count as one space."""
    return _figures([_spaced(text) for text in answers], [_spaced(text) for text in references])


def wer_figures(answers: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """Return edits and reference words of each row, shape [N, 2]; words are what stands between white space.

    Scripts without spaces have no such words: use `character_error_rate` there.
    """
    return _figures([text.split() for text in answers], [text.split() for text in references])


def character_error_rate(answers: Sequence[str], references: Sequence[str]) -> float:
    """Return the edits of all rows by the characters of all references; it can exceed 1.

    Raises:
        ValueError: The references have no character.

    Reference: equals ``cer`` of jiwer and of Hugging Face evaluate.
    """
    return _rate(cer_figures(answers, references))


def word_error_rate(answers: Sequence[str], references: Sequence[str]) -> float:
    """Return the edits of all rows by the words of all references; it can exceed 1.

    Raises:
        ValueError: The references have no word.
    """
    return _rate(wer_figures(answers, references))


def _figures(
    answers: Sequence[Sequence[Hashable]], references: Sequence[Sequence[Hashable]]
) -> NDArray[np.float64]:
    pairs = zip(answers, references, strict=True)
    return np.array([(edit_distance(a, r), len(r)) for a, r in pairs], dtype=np.float64).reshape(-1, 2)


def _rate(figures_N2: NDArray[np.float64]) -> float:
    edits, length = figures_N2.sum(axis=0)
    if not length:
        raise ValueError("the references are empty")
    return float(edits / length)


def _spaced(text: str) -> str:
    return " ".join(text.split())
