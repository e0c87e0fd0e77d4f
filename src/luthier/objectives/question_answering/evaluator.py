"""Judging answers: exact match and F1 as in SQuAD, against the sentence that shares most words with the question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from luthier.data.example import Example
from luthier.data.extractive.best_sentence import best_sentence
from luthier.data.extractive.decode import Spans, read_spans
from luthier.data.extractive.squad_score import exact_match, f1
from luthier.data.extractive.windows import tokens_of_span, whole_offsets
from luthier.data.sample import Sample
from luthier.objectives.classification.figures import ratio
from luthier.objectives.contract import Intervals, Measure, Table, Values
from luthier.objectives.headed import run_rows
from luthier.objectives.question_answering.reading import Reading

if TYPE_CHECKING:
    from luthier.objectives.question_answering.objective import QuestionAnswering

# Shapes: N samples, R rows (windows), T tokens.

BASELINE = (
    "The baseline learns nothing: it answers with the sentence of the context that shares most words with the "
    "question. Its loss is that of a guess among all tokens."
)
_LISTED = 20
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Answered:
    """What is said about samples.

    Args:
        answers: Empty for no answer.
        losses_N2: Summed loss of the windows of each sample, and their number.
        spans: What the answers were read from; empty for the baseline.
        threshold: For new questions; None where every question has an answer.
    """

    answers: list[str]
    losses_N2: Values
    spans: tuple[Spans, ...] = ()
    threshold: float | None = None


class SpanEvaluator:
    """Measures a reader.

    Args:
        objective: Collates and computes losses.
        reading: How answers are read from scores.
    """

    def __init__(self, objective: QuestionAnswering, reading: Reading) -> None:
        self._objective = objective
        self._encoder = objective.encoder
        self._reading = reading

    def predict(
        self,
        model: Any,
        rows: Sequence[Example],
        samples: Sequence[Sample],
        *,
        dtype: torch.dtype,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> Answered:
        """Return the best spans of each sample over its windows, and the losses."""
        from luthier.objectives.question_answering.objective import span_losses

        starts: list[Values] = [np.empty(0)] * len(rows)
        ends: list[Values] = [np.empty(0)] * len(rows)
        losses_R = np.zeros(len(rows))
        for numbers, batch, outputs in run_rows(
            model, self._objective, rows, dtype=dtype, on_progress=on_progress
        ):
            losses_R[numbers] = span_losses(outputs, batch).double().cpu().numpy()
            for place, number in enumerate(numbers):
                length = len(rows[number].input_ids)
                starts[number] = outputs.start_logits[place, :length].float().cpu().numpy()
                ends[number] = outputs.end_logits[place, :length].float().cpu().numpy()
        spans, losses_N2, first = [], np.zeros((len(samples), 2)), 0
        for number, sample in enumerate(samples):
            windows = self._encoder.windows(sample)
            own = slice(first, first + len(windows))
            spans.append(
                read_spans(
                    str(sample.context),
                    windows,
                    starts[own],
                    ends[own],
                    n_best_size=self._reading.n_best_size,
                    max_answer_length=self._reading.max_answer_length,
                    may_be_none=self._reading.may_be_none,
                )
            )
            losses_N2[number] = losses_R[own].sum(), len(windows)
            first = own.stop
        assert first == len(rows), "the rows are those of the samples"
        threshold, of_sample = self._reading.thresholds(spans, samples)
        answers = [own.answer(limit) for own, limit in zip(spans, of_sample, strict=True)]
        return Answered(answers, losses_N2, tuple(spans), threshold)

    def baseline(self, rows: Sequence[Example], samples: Sequence[Sample]) -> Answered:
        """Return the sentence of each context that shares most words with the question."""
        losses_N2, first = np.zeros((len(samples), 2)), 0
        for number, sample in enumerate(samples):
            lengths = [len(window.input_ids) for window in self._encoder.windows(sample)]
            losses_N2[number] = np.log(lengths).sum(), len(lengths)
            first += len(lengths)
        return Answered([best_sentence(str(s.question), str(s.context)) for s in samples], losses_N2)

    def measures(
        self, predictions: Answered, rows: Sequence[Example], samples: Sequence[Sample]
    ) -> list[Measure]:
        """Return loss, exact match and F1."""
        exact_N, overlap_N = self._scores(predictions, samples)
        ones = np.ones(len(samples))
        return [
            Measure("eval_loss", "Loss (nats)", predictions.losses_N2, ratio, lower_is_better=True),
            Measure("exact_match", "Exact match", np.stack([exact_N, ones], axis=1), ratio),
            Measure("f1", "F1 of words", np.stack([overlap_N, ones], axis=1), ratio),
        ]

    def details(
        self, predictions: Answered, rows: Sequence[Example], samples: Sequence[Sample], intervals: Intervals
    ) -> tuple[list[Table], dict[str, Any]]:
        """Return the scores of questions with and without answer, and the wrong answers that are surest."""
        exact_N, overlap_N = self._scores(predictions, samples)
        has_answer_N = np.array([bool(sample.answers) for sample in samples])
        kinds = {"with an answer": has_answer_N, "without one": ~has_answer_N}
        lines, facts = [], {}
        for name, chosen_N in kinds.items():
            if not chosen_N.any():
                continue
            figures_N3 = np.stack(
                [exact_N * chosen_N, overlap_N * chosen_N, chosen_N.astype(np.float64)], axis=1
            )
            value, low, high = intervals(figures_N3, _two_ratios)
            scores = [tuple(float(end[place]) for end in (value, low, high)) for place in (0, 1)]
            said = sum(
                bool(answer) for answer, chosen in zip(predictions.answers, chosen_N, strict=True) if chosen
            )
            facts[name] = {
                "rows": int(chosen_N.sum()),
                "answered": said,
                "exact_match": scores[0],
                "f1": scores[1],
            }
            lines.append(
                [name, int(chosen_N.sum()), said, *("{:.2f} ({:.2f} to {:.2f})".format(*s) for s in scores)]
            )
        columns = ("Questions", "Rows", "Answered", "Exact match", "F1")
        unreachable = self._num_unreachable(samples)
        longest = self._reading.max_answer_length
        note = f"{unreachable} rows have no answer of at most {longest} tokens, and none longer is said."
        tables = [Table("Questions with and without answer", columns, lines, note if unreachable else "")]
        tables.append(self._errors(predictions, exact_N, samples))
        return tables, {
            "baseline": BASELINE,
            "item": "window",
            "questions": facts,
            "null_score_diff_threshold": predictions.threshold,
            "rows_with_longer_answers_only": unreachable,
        }

    def _scores(self, predictions: Answered, samples: Sequence[Sample]) -> tuple[Values, Values]:
        references = [[answer.text for answer in sample.answers] for sample in samples]
        pairs = list(zip(predictions.answers, references, strict=True))
        return np.array([exact_match(*pair) for pair in pairs]), np.array([f1(*pair) for pair in pairs])

    def _num_unreachable(self, samples: Sequence[Sample]) -> int:
        """Return how many rows have answers, all of them longer than the longest that is said."""
        count = 0
        for sample in samples:
            offsets = whole_offsets(self._encoder.windows(sample))
            spans = [tokens_of_span(offsets, a.start, a.start + len(a.text)) for a in sample.answers]
            lengths = [last - first + 1 for first, last in (span for span in spans if span is not None)]
            count += bool(lengths) and min(lengths) > self._reading.max_answer_length
        return count

    def _errors(self, predictions: Answered, exact_N: Values, samples: Sequence[Sample]) -> Table:
        """Return the wrong answers with the highest probability."""
        wrong = []
        for number in np.flatnonzero(exact_N == 0.0).tolist():
            spans, sample = predictions.spans[number], samples[number]
            sure = (
                spans.candidates[0].probability if spans.candidates and predictions.answers[number] else None
            )
            wrong.append((sure, sample, predictions.answers[number]))
        wrong.sort(key=lambda entry: -1.0 if entry[0] is None else -entry[0])
        lines = [
            [
                sample.place,
                str(sample.question)[:_SHOWN_CHARACTERS],
                " | ".join(dict.fromkeys(answer.text for answer in sample.answers))[:_SHOWN_CHARACTERS]
                or "–",
                said or "–",
                "–" if sure is None else f"{sure:.0%}",
            ]
            for sure, sample, said in wrong[:_LISTED]
        ]
        return Table(
            "Wrong answers that are surest", ("Row", "Question", "True", "Said", "Probability"), lines
        )


def _two_ratios(sums: Values) -> Values:
    """Return first and second over third of sums [..., 3]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[..., :2] / sums[..., 2:])
