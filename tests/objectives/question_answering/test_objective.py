"""The loss of spans: that of transformers for a row alone, whatever stands beside it in a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from luthier.data.example import Example
from luthier.data.extractive.encode import SpanEncoder
from luthier.data.sample import Answer, Sample
from luthier.models.heads import TaskHead
from luthier.objectives.question_answering.objective import QuestionAnswering
from luthier.objectives.question_answering.reading import Reading
from tests.objectives.equality import accelerated, assert_equal, of_objective, of_transformers
from tests.objectives.tiny_models import FAMILIES, make

CONTEXT = "Empire states, unbelievable: one two. It one two unbelievable empire."
SAMPLES = [
    Sample("q.json", 1, question="one?", context=CONTEXT, answers=(Answer("unbelievable", 15),)),
    Sample("q.json", 2, question="天气 one state?", context="天气很好。", answers=(Answer("好", 3),)),
]
READING = Reading(n_best_size=5, max_answer_length=10, may_be_none=False, threshold=None)


def made(family: str, max_length: int = 150) -> tuple[Any, QuestionAnswering, list[Example]]:
    model, tokenizer = make(family, TaskHead("QUESTION_ANS"))
    encoder = SpanEncoder(
        tokenizer, doc_stride=2, may_be_none=False, max_length=max_length, too_long="truncate"
    )
    objective = QuestionAnswering(encoder, READING, pad_token_id=0)
    return model, objective, [example for sample in SAMPLES for example in encoder(sample)]


def labels_of(row: Example) -> dict[str, torch.Tensor]:
    start, end = torch.from_numpy(row.labels).long()[:, None]
    return {"start_positions": start, "end_positions": end}


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_equals_padded_equals_transformers_in_loss_and_gradients(family: str) -> None:
    model, objective, rows = made(family)
    assert len({len(row.input_ids) for row in rows}) > 1
    theirs = of_transformers(model, rows, labels_of, len(rows))
    padded = of_objective(model, objective, rows)
    packed = of_objective(accelerated(model), objective, rows)
    assert_equal(padded, theirs)
    assert_equal(packed, theirs)


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    model, objective, rows = made("bert")
    double = objective.loss(model, objective.collate([replace(rows[0], weight=2.0), rows[1]]))
    twice = objective.loss(model, objective.collate([rows[0], rows[0], rows[1]]))
    assert double.total.item() == pytest.approx(twice.total.item(), rel=1e-5)
    assert objective.item_losses(model, objective.collate(rows)).shape == (2,)


def test_a_long_context_is_several_rows() -> None:
    _, _, rows = made("bert", max_length=16)
    assert len(rows) > 2 and sum(row.labels.tolist() != [0, 0] for row in rows) >= 2
