"""BERTScore: how near each token of an answer is to one of the reference, by the states of a local encoder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from luthier.models.embed import Embedder
from luthier.models.load import locate_base, weights_hash


class BertScore(NamedTuple):
    """Precision, recall and F1 of one answer, each at most 1."""

    precision: float
    recall: float
    f1: float


def bert_scores(embedder: Embedder, answers: Sequence[str], references: Sequence[str]) -> list[BertScore]:
    """Return the score of each answer.

    Every token of the answer is matched with its nearest of the reference (precision) and the other way round
    (recall), by cosine. As in the library bert-score, the first and the last token, which mark the ends, are matched
    with nothing, though others may be matched with them; scores are neither weighted by rarity nor rescaled by a
    baseline. An empty text scores 0.

    Args:
        embedder: The encoder; its last layer is read.
        answers: N texts.
        references: N texts.

    Raises:
        ValueError: There are not as many answers as references.

    Reference: T. Zhang et al., BERTScore, arXiv:1904.09675, section 3.
    """
    if len(answers) != len(references):
        raise ValueError(f"{len(answers)} answers cannot be compared with {len(references)} references")
    states = embedder.token_states([*answers, *references])
    said, right = states[: len(answers)], states[len(answers) :]
    return [_score(a, r) for a, r in zip(said, right, strict=True)]


def bert_score_figures(
    answers: Sequence[str], references: Sequence[str], encoder: str
) -> NDArray[np.float64]:
    """Return the F1 of each answer, and 1: [N, 2].

    Args:
        answers: N texts.
        references: N texts.
        encoder: A catalogue name, a folder or a hub id.
    """
    folder = locate_base(encoder)
    scores = bert_scores(_encoder(folder, weights_hash(folder)), answers, references)
    return np.array([[score.f1, 1.0] for score in scores])


# A report asks for each side, task and champion. One encoder can serve them all: it is in evaluation mode, reads
# texts without gradients, and keeps nothing of them that a score depends on.
@lru_cache(maxsize=1)
def _encoder(folder: Path, content: str) -> Embedder:
    """Return the encoder in a folder, loaded once as long as it holds the same ``content`` (`weights_hash`)."""
    return Embedder(str(folder))


def _score(answer_AD: NDArray[np.float32], reference_RD: NDArray[np.float32]) -> BertScore:
    if len(answer_AD) < 3 or len(reference_RD) < 3:
        return BertScore(0.0, 0.0, 0.0)
    cosine_AR = answer_AD @ reference_RD.T
    precision = float(cosine_AR.max(axis=1)[1:-1].mean())
    recall = float(cosine_AR.max(axis=0)[1:-1].mean())
    total = precision + recall
    return BertScore(precision, recall, 2 * precision * recall / total if total > 0 else 0.0)
