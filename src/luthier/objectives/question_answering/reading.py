"""How answers are read from scores: which spans compete, and when no answer is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luthier.data.extractive.decode import Spans, best_threshold
from luthier.data.extractive.squad_score import f1
from luthier.data.sample import Sample


@dataclass(frozen=True)
class Reading:
    """The recipe's keys of the same names, which act on scores.

    Args:
        n_best_size: Spans that are kept.
        max_answer_length: Longest answer in tokens.
        may_be_none: Whether questions may have no answer.
        threshold: How far no answer must score above the best span; None to choose it on the held-out rows.
    """

    n_best_size: int
    max_answer_length: int
    may_be_none: bool
    threshold: float | None

    def thresholds(
        self, spans: Sequence[Spans], samples: Sequence[Sample]
    ) -> tuple[float | None, list[float | None]]:
        """Return the threshold for new questions, and the one that each held-out question is measured with.

        Where it is chosen on the held-out rows, it is the one with the best F1; each half of the rows, the odd and the
        even ones, is measured with the threshold of the other half, so that no row judges its own choice.
        """
        if not self.may_be_none:
            return None, [None] * len(spans)
        if self.threshold is not None or len(spans) < 2:
            fixed = self.threshold or 0.0
            return fixed, [fixed] * len(spans)
        halves = [_chosen(spans[start::2], samples[start::2]) for start in (1, 0)]
        return _chosen(spans, samples), [halves[number % 2] for number in range(len(spans))]


def _chosen(spans: Sequence[Spans], samples: Sequence[Sample]) -> float:
    scores = [
        f1(own.answer(None), [answer.text for answer in sample.answers])
        for own, sample in zip(spans, samples, strict=True)
    ]
    return best_threshold([own.null_margin for own in spans], scores, [bool(s.answers) for s in samples])
