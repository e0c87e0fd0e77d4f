"""chrF: how far the runs of one to six characters of answer and reference agree; the same for every script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from luthier.evaluate.bleu import CorpusScore

_ORDER = 6
_BETA = 2.0


def corpus_chrf(answers: Sequence[str], references: Sequence[str]) -> CorpusScore:
    """Return chrF of all answers together, with sacrebleu's signature.

    Args:
        answers: N texts.
        references: N texts.

    Raises:
        ValueError: There are not as many answers as references, or none.

    Reference: M. Popović, chrF, 2015; computed by sacrebleu (6 characters, beta 2, white space left out).
    """
    from sacrebleu.metrics import CHRF

    if len(answers) != len(references) or not answers:
        raise ValueError(f"{len(answers)} answers cannot be compared with {len(references)} references")
    metric = CHRF()
    score = metric.corpus_score(list(answers), [list(references)])
    return CorpusScore(float(score.score), str(metric.get_signature()))


def chrf_figures(answers: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """Return what chrF is a function of, row by row, shape [N, 18]: runs of answer and reference, and common ones.

    Sums of rows give the corpus's chrF through `chrf_of_sums`, so that rows can be resampled.
    """
    rows = []
    for answer, reference in zip(answers, references, strict=True):
        row = []
        for length in range(1, _ORDER + 1):
            said, right = _runs(answer, length), _runs(reference, length)
            # sacrebleu counts no runs of a length that the reference does not have.
            row += [said.total() if right else 0, right.total(), (said & right).total()]
        rows.append(row)
    return np.array(rows, dtype=np.float64)


def chrf_of_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return chrF from 0 to 100 of sums [..., 18] over rows, shape [...]; equals sacrebleu's."""
    said, right, common = (sums[..., place::3] for place in range(3))
    counts = (said > 0) & (right > 0)  # lengths that both texts have
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(counts, common / said, 0.0).sum(axis=-1)
        recall = np.where(counts, common / right, 0.0).sum(axis=-1)
        orders = counts.sum(axis=-1)
        precision, recall = precision / orders, recall / orders
        score = (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)
    return np.asarray(100 * np.nan_to_num(score))


def _runs(text: str, length: int) -> Counter[str]:
    characters = "".join(text.split())
    return Counter(characters[start : start + length] for start in range(len(characters) - length + 1))
