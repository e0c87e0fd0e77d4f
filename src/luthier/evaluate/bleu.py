"""BLEU: how many of an answer's runs of one to four words stand in the reference, by sacrebleu, with its signature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Tokenizer = Literal["13a", "zh"]

_CHINESE = re.compile(r"[㐀-䶿一-鿿豈-﫿]")
_LETTER = re.compile(r"[^\W\d_]")
_ORDER = 4


@dataclass(frozen=True)
class CorpusScore:
    """A score and how it was made.

    Args:
        value: From 0 to 100.
        signature: Of sacrebleu, to be quoted beside the value (M. Post, arXiv:1804.08771).
    """

    value: float
    signature: str


def tokenizer_for(references: Sequence[str]) -> Tokenizer:
    """Return sacrebleu's tokenizer for texts: ``zh`` where Chinese characters are most of the letters, else ``13a``.

    With ``13a`` a Chinese sentence is one word, and two that are nearly equal score 0.
    """
    letters = sum(len(_LETTER.findall(text)) for text in references)
    chinese = sum(len(_CHINESE.findall(text)) for text in references)
    return "zh" if 2 * chinese > letters else "13a"


def corpus_bleu(
    answers: Sequence[str], references: Sequence[str], tokenizer: Tokenizer | None = None
) -> CorpusScore:
    """Return BLEU of all answers together.

    Args:
        answers: N texts.
        references: N texts.
        tokenizer: By default that of `tokenizer_for`.

    Raises:
        ValueError: There are not as many answers as references, or none.

    Reference: K. Papineni et al., BLEU, 2002; computed by sacrebleu.
    """
    _check(answers, references)
    metric = _metric(tokenizer or tokenizer_for(references))
    score = metric.corpus_score(list(answers), [list(references)])
    return CorpusScore(float(score.score), str(metric.get_signature()))


def bleu_figures(
    answers: Sequence[str], references: Sequence[str], tokenizer: Tokenizer | None = None
) -> NDArray[np.float64]:
    """Return what BLEU is a function of, row by row, shape [N, 10]: matches and runs by length, and both lengths.

    Sums of rows give the corpus's BLEU through `bleu_of_sums`, so that rows can be resampled.
    """
    _check(answers, references)
    metric = _metric(tokenizer or tokenizer_for(references))
    rows = []
    for answer, reference in zip(answers, references, strict=True):
        score: Any = metric.sentence_score(answer, [reference])
        rows.append([*score.counts, *score.totals, score.sys_len, score.ref_len])
    return np.array(rows, dtype=np.float64)


def bleu_of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return BLEU of sums [..., 10] over rows, shape [...]; see `bleu_figures`."""
    from sacrebleu.metrics import BLEU

    def one(figures: NDArray[np.float64]) -> float:
        counts = np.rint(figures).astype(int).tolist()
        score = BLEU.compute_bleu(
            correct=counts[:_ORDER],
            total=counts[_ORDER : 2 * _ORDER],
            sys_len=counts[-2],
            ref_len=counts[-1],
            smooth_method="exp",
        )
        return float(score.score)

    return np.asarray(np.apply_along_axis(one, -1, sums), dtype=np.float64)


def _check(answers: Sequence[str], references: Sequence[str]) -> None:
    if len(answers) != len(references) or not answers:
        raise ValueError(f"{len(answers)} answers cannot be compared with {len(references)} references")


@cache
def _metric(tokenizer: Tokenizer) -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize=tokenizer)
