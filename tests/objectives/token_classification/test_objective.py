"""The loss of tags: that of transformers, whatever stands beside a row; weights and smoothing act as they should."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from luthier.data.encode import TooLong
from luthier.data.example import IGNORED, Example
from luthier.data.tagging.encode import TagEncoder
from luthier.models.heads import TaskHead
from luthier.objectives.headed import head_outputs
from luthier.objectives.token_classification.objective import TokenClassification
from tests.data.tagging.test_tag_set import samples
from tests.objectives.equality import accelerated, assert_equal, of_objective, of_transformers
from tests.objectives.tiny_models import FAMILIES, make

ROWS = samples(
    "one/B-x unbelievable/I-x two/O", "天气/B-y", "it/O one/O states/B-x two/B-y state/I-y ./O two/O"
)
HEAD = TaskHead("TOKEN_CLS", ("O", "B-x", "I-x", "B-y", "I-y"))


def made(
    family: str, smoothing: float = 0.0, too_long: TooLong = "truncate"
) -> tuple[Any, TokenClassification, list[Example]]:
    model, tokenizer = make(family, HEAD)
    encoder = TagEncoder(
        tokenizer, scheme="auto", invalid_tags="reject", label_on="first", max_length=64, too_long=too_long
    )
    encoder.learn(ROWS)
    rows = [example for sample in ROWS for example in encoder(sample)]
    return model, TokenClassification(encoder, label_smoothing=smoothing, pad_token_id=0), rows


def labels_of(row: Example) -> dict[str, torch.Tensor]:
    return {"labels": torch.from_numpy(row.labels).long()[None]}


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_equals_padded_equals_transformers_in_loss_and_gradients(family: str) -> None:
    model, objective, rows = made(family)
    assert objective.head == HEAD and len({len(row.input_ids) for row in rows}) > 1
    num_items = sum(row.num_supervised for row in rows)
    theirs = of_transformers(model, rows, labels_of, num_items)
    padded = of_objective(model, objective, rows)
    packed = of_objective(accelerated(model), objective, rows)
    assert_equal(padded, theirs)
    assert_equal(packed, theirs)


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    model, objective, rows = made("bert")
    double = objective.loss(model, objective.collate([replace(rows[0], weight=2.0), rows[1]]))
    twice = objective.loss(model, objective.collate([rows[0], rows[0], rows[1]]))
    assert double.total.item() == pytest.approx(twice.total.item(), rel=1e-5)


def test_smoothing_acts_in_training_only() -> None:
    model, objective, rows = made("bert", smoothing=0.2)
    batch = objective.collate(rows)
    trained = objective.loss(model, batch).total.item()
    logits = head_outputs(model, batch).logits.flatten(0, 1)
    theirs = functional.cross_entropy(
        logits, batch.labels.flatten(), ignore_index=IGNORED, label_smoothing=0.2, reduction="sum"
    )
    assert trained == pytest.approx(theirs.item(), rel=1e-5)
    measured = objective.loss(model.eval(), batch).total.item()
    assert (
        measured == pytest.approx(objective.item_losses(model, batch).sum().item()) != pytest.approx(trained)
    )
