"""Answers that are no numbers are refused by every evaluator, with the row that they are of."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from luthier.core.errors import ModelError
from luthier.data.sample import Sample
from luthier.objectives import headed
from tests.objectives.classification import test_objective as classification
from tests.objectives.question_answering import test_objective as question_answering
from tests.objectives.tiny_models import make
from tests.objectives.token_classification import test_objective as token_classification

Case = tuple[Any, Any, list[Any], list[Sample]]


def _classes() -> Case:
    objective = classification._objective()
    rows = classification._rows()
    assert objective.head is not None
    model, _ = make("llama", objective.head)
    return model, objective, rows, [Sample("a.csv", row.row, text="x") for row in rows]


def _tags() -> Case:
    return *token_classification.made("bert"), list(token_classification.ROWS)


def _spans() -> Case:
    return *question_answering.made("bert"), question_answering.SAMPLES


@pytest.mark.parametrize("case", [_classes, _tags, _spans])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_diverged_model_is_refused_and_the_row_is_named(case: Callable[[], Case], value: float) -> None:
    model, objective, rows, samples = case()
    objective.evaluator.predict(model, rows, samples, dtype=torch.float32)  # a sound model says something
    seen = [set(row.input_ids.tolist()) for row in rows]
    number, token = next(
        (number, min(own))
        for number in reversed(range(len(rows)))
        if (own := seen[number].difference(*(other for n, other in enumerate(seen) if n != number)) - {0})
    )
    with torch.no_grad():
        model.get_input_embeddings().weight[token] = value
    with pytest.raises(ModelError, match="NaN or infinity, in 1 of") as raised:
        objective.evaluator.predict(model, rows, samples, dtype=torch.float32)
    assert raised.value.where == rows[number].place
    assert "learning_rate" in str(raised.value.cure)


def test_what_is_computed_of_filler_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    model, objective, rows, _ = _tags()
    plain = headed.head_outputs

    def with_filler(model: Any, batch: Any) -> Any:
        logits = plain(model, batch).logits.clone()
        logits[batch.attention_mask == 0] = torch.nan
        return SimpleNamespace(logits=logits)

    monkeypatch.setattr(headed, "head_outputs", with_filler)
    assert len({len(row.input_ids) for row in rows}) > 1
    told = [
        n for numbers, _, _ in headed.run_rows(model, objective, rows, dtype=torch.float32) for n in numbers
    ]
    assert np.array_equal(np.sort(told), np.arange(len(rows)))
