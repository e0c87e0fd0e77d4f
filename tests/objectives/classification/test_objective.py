"""Classification: packed, padded and plain transformers agree; weights, focus, smoothing are those of the papers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from luthier.data.example import Example
from luthier.kernels.accelerate import accelerate
from luthier.models.load import load_model
from luthier.objectives.build import build_objective
from luthier.objectives.classification.objective import Classification
from luthier.recipe.objective_sections import ClassificationObjective
from luthier.recipe.schema import DataSection
from tests.kernels.families import gradients, worst_difference
from tests.models.tiny_chat import make_chat_llama, make_chat_tokenizer
from tests.models.tiny_encoder import save_tiny_encoder

LENGTHS = (9, 3, 17, 5)
CLASSES = 4


@pytest.fixture(params=["bert", "llama"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "bert":
        return save_tiny_encoder(tmp_path)
    make_chat_llama(pad_token_id=0).save_pretrained(tmp_path)
    return tmp_path


def _objective(
    problem: str = "single_label", counts: tuple[int, ...] = (4, 3, 2, 1), **keys: Any
) -> Classification:
    section = ClassificationObjective(name="classification", problem=problem, **keys)  # type: ignore[arg-type]
    data = DataSection.model_validate({"train": [{"path": "a.csv"}]})
    made: Any = build_objective(section, make_chat_tokenizer(), data, packing=True)
    weights = (1.0,) * len(counts) if section.class_weights == "none" else (0.5, 1.0, 2.0, 4.0)
    labels = tuple("abcd"[: len(counts)])
    made.encoder.recall({"labels": labels, "counts": counts, "num_rows": sum(counts), "weights": weights})
    return made


def _rows(problem: str = "single_label", weights: tuple[float, ...] = (1.0,) * 4) -> list[Example]:
    generator = np.random.default_rng(0)
    rows = []
    for number, length in enumerate(LENGTHS):
        tokens = generator.integers(4, 24, length).astype(np.int32)
        labels = np.array([number], np.int32)
        if problem == "multi_label":
            labels = generator.integers(0, 2, CLASSES).astype(np.int32)
        rows.append(Example(tokens, labels, "a.csv", number + 1, weight=weights[number], target="row"))
    return rows


def _model(base: Path, objective: Classification) -> Any:
    model = load_model(base, dtype=torch.float32, head=objective.head, new_head_seed=1)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.train()


def _step(model: Any, objective: Classification, rows: list[Example]) -> tuple[float, Any]:
    batch = objective.collate(rows)
    (objective.loss(model, batch).total / batch.weight).backward()
    total = float(objective.loss(model, batch).total.detach()) / batch.weight
    return total, gradients(model)


@pytest.mark.parametrize("problem", ["single_label", "multi_label"])
def test_packed_padded_and_plain_transformers_agree(base: Path, problem: str) -> None:
    objective, rows = _objective(problem), _rows(problem)
    padded = _model(base, objective)
    packed, plain = copy.deepcopy(padded), copy.deepcopy(padded)
    acceleration = accelerate(packed, fused_loss=False)
    found = {"padded": _step(padded, objective, rows), "packed": _step(packed, objective, rows)}
    assert acceleration.packing is not None and acceleration.plain_calls == {}
    batch = objective.collate(rows)
    labels = batch.labels[:, 0] if problem == "single_label" else batch.labels.float()
    loss = plain(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=labels).loss
    loss.backward()
    for total, grads in found.values():
        assert total == pytest.approx(float(loss), rel=1e-5)
        assert worst_difference(grads, gradients(plain))[0] < 1e-5


def test_one_row_alone_has_the_loss_it_has_among_others(base: Path) -> None:
    objective, rows = _objective(), _rows()
    model = _model(base, objective).eval()
    with torch.no_grad():
        together = objective.item_losses(model, objective.collate(rows))
        alone = [objective.item_losses(model, objective.collate([row])) for row in rows]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)


def test_class_weights_are_torchs_weighted_mean(base: Path) -> None:
    """The encoder multiplies the factor of the class into the row's weight, and the loop divides by the weights."""
    factors = (0.5, 1.0, 2.0, 4.0)
    objective, rows = _objective(), _rows(weights=factors)
    model = _model(base, objective)
    total, _ = _step(model, objective, rows)
    batch = objective.collate(rows)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    expected = functional.cross_entropy(logits, batch.labels[:, 0], weight=torch.tensor(factors))
    assert total == pytest.approx(float(expected.detach()), rel=1e-5)


def test_class_weights_of_several_labels_are_torchs_pos_weight(base: Path) -> None:
    objective, rows = _objective("multi_label", class_weights="balanced"), _rows("multi_label")
    model = _model(base, objective)
    total, _ = _step(model, objective, rows)
    batch = objective.collate(rows)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor([0.5, 1.0, 2.0, 4.0]))
    assert total == pytest.approx(float(loss(logits, batch.labels.float()).detach()), rel=1e-5)


@pytest.mark.parametrize("problem", ["single_label", "multi_label"])
def test_focal_loss_is_that_of_its_paper(base: Path, problem: str) -> None:
    """Equation 4 of arXiv:1708.02002, -(1 - p)^gamma log p, written out."""
    objective, rows = _objective(problem, focal_gamma=2.0), _rows(problem)
    model = _model(base, objective)
    total, _ = _step(model, objective, rows)
    batch = objective.collate(rows)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits.detach().double()
    if problem == "single_label":
        p = logits.softmax(1)[torch.arange(4), batch.labels[:, 0]]
    else:
        p = torch.where(batch.labels > 0, logits.sigmoid(), 1 - logits.sigmoid())
    assert total == pytest.approx(float((-((1 - p) ** 2) * p.log()).mean()), rel=1e-5)


def test_smoothing_is_that_of_torch_and_acts_in_training_only(base: Path) -> None:
    objective, rows = _objective(label_smoothing=0.2, focal_gamma=0.0), _rows()
    model = _model(base, objective)
    total, _ = _step(model, objective, rows)
    batch = objective.collate(rows)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    expected = functional.cross_entropy(logits, batch.labels[:, 0], label_smoothing=0.2)
    assert total == pytest.approx(float(expected.detach()), rel=1e-5)
    model.eval()
    plain = functional.cross_entropy(logits, batch.labels[:, 0])
    assert float(objective.loss(model, batch).total.detach()) / 4 == pytest.approx(
        float(plain.detach()), rel=1e-5
    )


def test_before_the_data_there_is_no_head() -> None:
    section = ClassificationObjective(name="classification")
    data = DataSection.model_validate({"train": [{"path": "a.csv"}]})
    objective = build_objective(section, make_chat_tokenizer(), data, packing=True)
    assert objective.head is None and objective.evaluator is None
