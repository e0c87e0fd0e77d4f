"""From start and end scores to answers: the best spans over all windows of a context, or no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from luthier.data.extractive.windows import Window

Scores = NDArray[np.floating]
"""Of each token of a window, shape [T]."""


class Candidate(NamedTuple):
    """A span that may answer the question.

    Args:
        text: Its characters.
        start: Where it begins in the context.
        score: Start score of its first token plus end score of its last.
        probability: Share among the candidates, and no answer where the model may give none.
    """

    text: str
    start: int
    score: float
    probability: float


@dataclass(frozen=True)
class Spans:
    """What was read from the scores of one question.

    Args:
        candidates: The best spans, best first; empty where the context has none.
        null_score: Score of no answer: the lowest over the windows, as one window that holds the answer suffices.
    """

    candidates: tuple[Candidate, ...]
    null_score: float

    @property
    def null_margin(self) -> float:
        """How far no answer scores above the best span."""
        return self.null_score - (self.candidates[0].score if self.candidates else -np.inf)

    def answer(self, threshold: float | None) -> str:
        """Return the best span, or nothing where no answer scores more than ``threshold`` above it.

        Args:
            threshold: None where every question has an answer.
        """
        if not self.candidates or (threshold is not None and self.null_margin > threshold):
            return ""
        return self.candidates[0].text


def read_spans(
    context: str,
    windows: Sequence[Window],
    starts: Sequence[Scores],
    ends: Sequence[Scores],
    *,
    n_best_size: int,
    max_answer_length: int,
    may_be_none: bool,
) -> Spans:
    """Return the best spans of a context.

    Every span of at most ``max_answer_length`` tokens is compared, not only the best starts with the best ends. A
    span that stands in two windows counts once, with its better score.

    Args:
        context: The text.
        windows: All windows of the question.
        starts: Scores of each window's tokens as the first of an answer, shape [T] each.
        ends: Likewise as the last.
        n_best_size: Spans to return.
        max_answer_length: Longest span in tokens.
        may_be_none: Whether no answer takes part in the probabilities.
    """
    found: dict[tuple[int, int], float] = {}
    null_score = np.inf
    for window, start_T, end_T in zip(windows, starts, ends, strict=True):
        null_score = min(null_score, float(start_T[window.null_token]) + float(end_T[window.null_token]))
        for first, last, score in _best_pairs(window, start_T, end_T, n_best_size, max_answer_length):
            span = _trimmed(context, window.offsets[first][0], window.offsets[last][1])
            if span is not None:
                found[span] = max(score, found.get(span, -np.inf))
    best = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:n_best_size]
    scores = np.array([score for _, score in best] + ([null_score] if may_be_none else []), dtype=np.float64)
    shares = np.exp(scores - scores.max()) if len(scores) else scores
    candidates = tuple(
        Candidate(context[start:end], start, score, float(share / shares.sum()))
        for ((start, end), score), share in zip(best, shares, strict=False)
    )
    return Spans(candidates, null_score)


def _best_pairs(
    window: Window, start_T: Scores, end_T: Scores, count: int, max_length: int
) -> list[tuple[int, int, float]]:
    """Return the best pairs of first and last token of the context's run, with their scores."""
    run = slice(window.first_token, window.first_token + len(window.offsets))
    starts = np.asarray(start_T[run], dtype=np.float64)
    ends = np.asarray(end_T[run], dtype=np.float64)
    length = min(max_length, len(starts))
    # Row s, column d: the span from token s to token s + d.
    padded = np.concatenate([ends, np.full(length - 1, -np.inf)])
    scores = starts[:, None] + np.lib.stride_tricks.sliding_window_view(padded, length)
    order = np.argsort(-scores, axis=None, kind="stable")[: count + length]
    pairs = [divmod(int(place), length) for place in order]
    return [(s, s + d, float(scores[s, d])) for s, d in pairs if scores[s, d] > -np.inf][:count]


def _trimmed(context: str, start: int, end: int) -> tuple[int, int] | None:
    """Return a span without the blanks that tokens take along; None for blanks alone."""
    text = context[start:end]
    start, end = start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())
    return (start, end) if start < end else None


def best_threshold(margins: Sequence[float], scores: Sequence[float], has_answer: Sequence[bool]) -> float:
    """Return the threshold of `Spans.answer` that gives the best mean score.

    Args:
        margins: ``null_margin`` of each row.
        scores: What the best span of each row scores against its answers, e.g. F1; of no use without answers.
        has_answer: Whether the row has answers; one without scores 1 for no answer.

    Reference: ``find_best_thresh`` of the SQuAD 2.0 evaluation script (P. Rajpurkar et al., 2018). Between two
    margins the threshold stands midway.
    """
    order = np.argsort(margins, kind="stable")
    sorted_margins = np.asarray(margins, dtype=np.float64)[order]
    answered = np.where(has_answer, scores, 0.0)[order]
    silent = np.where(has_answer, 0.0, 1.0)[order]
    # totals[k]: the k rows with the lowest margins are answered.
    totals = (
        np.concatenate([[0.0], np.cumsum(answered)])
        + silent.sum()
        - np.concatenate([[0.0], np.cumsum(silent)])
    )
    # Rows of equal margin cannot be told apart.
    possible = np.concatenate([[True], np.diff(sorted_margins) > 0, [True]])
    best = int(np.argmax(np.where(possible, totals, -np.inf)))
    if best == 0:
        return float(sorted_margins[0]) - 1.0
    if best == len(order):
        return float(sorted_margins[-1]) + 1.0
    return float(sorted_margins[best - 1] + sorted_margins[best]) / 2.0
