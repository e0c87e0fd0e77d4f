"""Loss and gradients of an objective three ways: row by row in plain transformers, padded, and on the fast path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from luthier.data.example import Example
from luthier.kernels.accelerate import accelerate
from luthier.objectives.contract import Objective

Gradients = dict[str, torch.Tensor]


def of_objective(model: Any, objective: Objective, rows: Sequence[Example]) -> tuple[float, Gradients]:
    """Return loss per item and gradients of all rows in one padded batch."""
    model.zero_grad()
    loss = objective.loss(model, objective.collate(rows))
    (loss.total / loss.num_items).backward()
    return float(loss.total.detach()) / loss.num_items, _gradients(model)


def of_transformers(
    model: Any,
    rows: Sequence[Example],
    labels_of: Callable[[Example], dict[str, torch.Tensor]],
    num_items: int,
) -> tuple[float, Gradients]:
    """Return the same from the losses that transformers computes of each row alone, each times its items."""
    model.zero_grad()
    total = torch.zeros(())
    for row in rows:
        inputs = {"input_ids": torch.from_numpy(row.input_ids).long()[None]}
        if row.token_type_ids is not None and getattr(model.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = torch.from_numpy(row.token_type_ids).long()[None]
        total = total + model(**inputs, **labels_of(row)).loss * row.num_supervised
    (total / num_items).backward()
    return float(total.detach()) / num_items, _gradients(model)


def accelerated(model: Any) -> Any:
    """Return the model on the fast path, its layers without padding."""
    report = accelerate(model, compute_dtype=torch.float32, fused_loss=False).report
    assert report, "something runs fast"
    return model


def assert_equal(
    one: tuple[float, Gradients], other: tuple[float, Gradients], tolerance: float = 1e-5
) -> None:
    """Compare losses and gradients."""
    assert abs(one[0] - other[0]) < tolerance, (one[0], other[0])
    assert one[1].keys() == other[1].keys() and one[1]
    for name, gradient in one[1].items():
        difference = float((gradient - other[1][name]).abs().max())
        assert difference < tolerance, (name, difference)


def _gradients(model: Any) -> Gradients:
    return {
        n: p.grad.clone()
        for n, p in model.named_parameters()
        if p.grad is not None and p.grad.abs().sum() > 0
    }
