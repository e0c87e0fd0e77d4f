"""Judging answers: SQuAD's figures over all windows, thresholds that no row chooses for itself, the best sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from luthier.data.annotation.rates import wilson_interval
from luthier.data.extractive.decode import Candidate, Spans
from luthier.data.extractive.encode import SpanEncoder
from luthier.data.sample import Answer, Sample
from luthier.evaluate.statistics import Resampling, sums_intervals
from luthier.models.heads import TaskHead
from luthier.objectives.question_answering.evaluator import Answered
from luthier.objectives.question_answering.objective import QuestionAnswering
from luthier.objectives.question_answering.reading import Reading
from tests.objectives.question_answering.test_objective import SAMPLES
from tests.objectives.tiny_models import FAMILIES, make


def made(
    family: str = "bert", max_length: int = 150, max_answer_length: int = 10
) -> tuple[Any, QuestionAnswering]:
    model, tokenizer = make(family, TaskHead("QUESTION_ANS"))
    encoder = SpanEncoder(
        tokenizer, doc_stride=2, may_be_none=True, max_length=max_length, too_long="truncate"
    )
    reading = Reading(5, max_answer_length, may_be_none=False, threshold=None)
    return model.eval(), QuestionAnswering(encoder, reading, pad_token_id=0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shorter", [0, 60])
def test_answers_are_the_best_spans_of_all_windows(family: str, shorter: int) -> None:
    model, objective = made(family, max_length=150 - shorter if family == "llama" else 76 - shorter)
    rows = [example for sample in SAMPLES for example in objective.encoder(sample)]
    found = objective.evaluator.predict(model, rows, SAMPLES, dtype=torch.float32)
    assert sum(count for _, count in found.losses_N2) == len(rows)
    for sample, answer, spans in zip(SAMPLES, found.answers, found.spans, strict=True):
        best: tuple[float, str] = (-np.inf, "")
        for window in objective.encoder.windows(sample):
            out = model.requires_grad_(False)(
                input_ids=torch.tensor([window.input_ids]),
                **({"token_type_ids": torch.tensor([window.type_ids])} if family == "bert" else {}),
            )
            for first in range(len(window.offsets)):
                for last in range(first, min(first + 10, len(window.offsets))):
                    score = float(
                        out.start_logits[0, window.first_token + first]
                        + out.end_logits[0, window.first_token + last]
                    )
                    text = str(sample.context)[window.offsets[first][0] : window.offsets[last][1]].strip()
                    best = max(best, (score, text)) if text else best
        assert spans.candidates[0].score == pytest.approx(best[0], abs=1e-5)
        assert answer == best[1] and len(spans.candidates) <= 5
    batch_loss = objective.loss(model, objective.collate(rows)).total.item()
    assert found.losses_N2[:, 0].sum() == pytest.approx(batch_loss, rel=1e-5)


def test_measures_and_tables_tell_answered_and_unanswerable_questions_apart() -> None:
    _, objective = made()
    rows = [*SAMPLES, Sample("q.json", 3, question="why?", context="天气很好。")]
    said = Answered(["unbelievable: one", "好", "天"], np.ones((3, 2)), (Spans((), 0.0),) * 3)
    measures = {
        m.name: float(m.statistic(m.figures_NK.sum(axis=0)))
        for m in objective.evaluator.measures(said, [], rows)
    }
    # "unbelievable one" against "unbelievable": F1 2/3; then 1; no answer would have been right: 0.
    assert measures["exact_match"] == pytest.approx(1 / 3) and measures["f1"] == pytest.approx(
        (2 / 3 + 1) / 3
    )
    tables, facts = objective.evaluator.details(
        said, [], rows, lambda figures, statistic: sums_intervals(figures, statistic, Resampling(20, 0.95, 0))
    )
    assert facts["questions"]["with an answer"]["f1"][0] == pytest.approx((2 / 3 + 1) / 2)
    of_one = (0.0, *wilson_interval(0, 1, 0.95))  # one question proves little
    assert facts["questions"]["without one"] == {
        "rows": 1, "answered": 1, "exact_match": of_one, "f1": of_one
    }  # fmt: skip
    assert [line[0] for line in tables[1].rows] == ["q.json, row 1", "q.json, row 3"]


def test_answers_that_are_longer_than_any_that_is_said_are_counted() -> None:
    _, objective = made(max_answer_length=2)
    said = Answered(["", ""], np.ones((2, 2)), (Spans((), 0.0),) * 2)
    _, facts = objective.evaluator.details(
        said,
        [],
        SAMPLES,
        lambda figures, statistic: sums_intervals(figures, statistic, Resampling(20, 0.95, 0)),
    )
    assert facts["rows_with_longer_answers_only"] == 1


def test_the_baseline_is_the_best_sentence() -> None:
    _, objective = made()
    rows = [example for sample in SAMPLES for example in objective.encoder(sample)]
    baseline = objective.evaluator.baseline(rows, SAMPLES)
    assert baseline.answers == ["Empire states, unbelievable: one two.", "天气很好。"]
    assert baseline.losses_N2[:, 0].sum() == pytest.approx(sum(np.log(len(row.input_ids)) for row in rows))


def spans(margin: float, text: str) -> Spans:
    return Spans((Candidate(text, 0, 0.0, 1.0),), margin)


def test_each_half_of_the_rows_is_measured_with_the_threshold_of_the_other() -> None:
    yes, no = (Answer("a", 0),), ()
    rows = [
        Sample("q", n, question="q", context="a", answers=has) for n, has in enumerate((yes, yes, no, no))
    ]
    reading = Reading(1, 1, may_be_none=True, threshold=None)
    overall, own = reading.thresholds([spans(m, "a") for m in (0.0, 1.0, 4.0, 3.0)], rows)
    assert overall == 2.0  # midway between the answerable and the other margins, 1 and 3
    assert own == [2.0, 2.0, 2.0, 2.0]
    overall, own = reading.thresholds([spans(m, "a") for m in (0.0, 1.0, 6.0, 3.0)], rows)
    assert overall == 2.0 and own == [2.0, 3.0, 2.0, 3.0]  # even rows: from 1 and 3; odd rows: from 0 and 6


def test_a_fixed_threshold_is_used_and_none_where_every_question_has_an_answer() -> None:
    rows = [Sample("q", 1, question="q", context="a", answers=(Answer("a", 0),))] * 2
    found = [spans(1.0, "a")] * 2
    assert Reading(1, 1, may_be_none=True, threshold=0.5).thresholds(found, rows) == (0.5, [0.5, 0.5])
    assert Reading(1, 1, may_be_none=False, threshold=None).thresholds(found, rows) == (None, [None, None])
