"""The penalty on distance between groups: its value by hand, its effect on training, rows without a group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from luthier.core.errors import DataError
from luthier.data.sample import Sample
from luthier.objectives.build import build_objective
from luthier.objectives.classification.fair_loss import group_distance
from luthier.recipe.objective_sections import ClassificationObjective
from luthier.recipe.schema import DataSection
from tests.data.tagging.tokenizers_of_words import bert
from tests.objectives.tiny_models import make


def test_by_hand() -> None:
    chance = torch.tensor([0.2, 0.4, 0.9, 0.5], requires_grad=True)
    group = torch.tensor([0, 0, 1, -1])
    everyone = torch.ones(4, dtype=torch.bool)
    # Means 0.3 and 0.9, both 0.3 from 0.6.
    found = group_distance(chance, group, [everyone])
    assert found.item() == pytest.approx(2 * 0.3**2)
    found.backward()
    assert chance.grad is not None and chance.grad[3] == 0.0 and chance.grad[2] > 0 > chance.grad[0]
    one = torch.tensor([True, True, False, True])
    assert group_distance(chance, group, [one]).item() == 0.0


def _objective(**fairness: Any) -> Any:
    section = ClassificationObjective.model_validate(
        {"name": "classification", "fairness": {"by": "kind", "positive": "good", **fairness}}
    )
    data = DataSection.model_validate({"train": [{"path": "x"}]})
    return build_objective(section, bert(), data, packing=False)


def _samples() -> list[Sample]:
    return [
        Sample("a", n, text="ab" if n % 2 else "cd", labels=("good" if n % 4 < 2 else "bad",),
               attributes={"kind": "xy"[n % 2]})
        for n in range(16)
    ]  # fmt: skip


def test_the_group_stands_beside_the_class_and_pulls_in_training_only() -> None:
    objective = _objective(weight=10.0, criterion="demographic_parity")
    objective.encoder.learn(_samples())
    assert objective.encoder.groups.names == ("x", "y")
    rows = [objective.encoder(sample)[0] for sample in _samples()]
    assert np.stack([row.labels for row in rows])[:2].tolist() == [[1, 0], [1, 1]]
    assert objective.encoder(Sample("a", 1, text="ab", labels=("bad",)))[0].labels.tolist() == [0, -1]
    model, _ = make("bert", objective.head)
    batch = objective.collate(rows)
    plain = objective.loss(model.eval(), batch).total
    assert plain.item() == pytest.approx(objective.item_losses(model, batch).sum().item(), abs=1e-4)
    chance = torch.softmax(
        model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits, dim=1
    )[:, 1]
    group = batch.labels[:, 1]
    distance = group_distance(chance, group, [torch.ones(16, dtype=torch.bool)])
    pulled = objective.loss(model.train(), batch).total
    assert (pulled - plain).item() == pytest.approx(16 * 10.0 * distance.item(), rel=1e-3, abs=1e-5)


def test_faults_of_the_rows() -> None:
    objective = _objective()
    with pytest.raises(DataError, match="all of group 'x'"):
        objective.encoder.learn([s for s in _samples() if s.attributes["kind"] == "x"])
    with pytest.raises(DataError, match="'nice' is no class"):
        _objective(positive="nice").encoder.learn(_samples())
