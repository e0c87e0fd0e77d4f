"""Memory by shapes: what autograd keeps is counted, and micro-batches are cut to the budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.data.collate import collate_packed
from luthier.kernels.accelerate import accelerate
from luthier.kernels.causal_loss import causal_lm_loss
from luthier.plan.memory import MOST_TOKENS, memory_need
from tests.plan.bases import made_plan


@pytest.fixture
def base(make_tiny_llama: Any) -> Any:
    return make_tiny_llama(
        hidden_size=64, intermediate_size=160, num_hidden_layers=6, max_position_embeddings=2048
    )


def _kept_bytes(model: Any, rows: Any) -> int:
    """The bytes that autograd keeps for the backward pass, parameters left out."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        causal_lm_loss(model, collate_packed(rows))
    return sum(kept.values())


def _expected_and_kept(base: Any, rows: Any, folder: Path, *overrides: str) -> tuple[int, int]:
    """What the plan counts for these rows, and what autograd keeps."""
    longest = max(len(row.input_ids) for row in rows)
    settings = ("model.dtype=float32", "method={name: full}", f"data.max_length={longest}", *overrides)
    plan = made_plan(folder, base, *settings)
    accelerate(base)
    num_tokens = sum(len(row.input_ids) for row in rows)
    return plan.memory_need.bytes_per_token * num_tokens, _kept_bytes(base, rows)


def test_activations_are_those_that_autograd_keeps(base: Any, make_rows: Any, tmp_path: Path) -> None:
    expected, kept = _expected_and_kept(base.train(), make_rows(30, longest=200), tmp_path)
    # Rows shorter than the longest have fewer probabilities than the plan must allow for.
    assert 0.6 * expected < kept < 1.1 * expected


def test_checkpointing_keeps_the_layers_inputs_and_computes_one_layer_anew(
    base: Any, make_rows: Any, tmp_path: Path
) -> None:
    rows = make_rows(30, longest=200)
    whole = made_plan(tmp_path, base, "model.dtype=float32", "data.max_length=200").memory_need
    one_layer = whole.bytes_per_token // 6 * sum(len(row.input_ids) for row in rows)
    base.train().gradient_checkpointing_enable({"use_reentrant": False})
    expected, kept = _expected_and_kept(base, rows, tmp_path, "train.gradient_checkpointing=true")
    assert 0.8 * (expected - one_layer) < kept < 1.2 * (expected - one_layer)


def test_the_budget_cuts_micro_batches(base: Any, tmp_path: Path) -> None:
    def tokens(*overrides: str) -> int:
        return made_plan(tmp_path, base, *overrides).micro_batch_tokens

    assert tokens() == MOST_TOKENS
    need = made_plan(tmp_path, base).memory_need
    budget_gb = (need.fixed_bytes + 500.5 * need.bytes_per_token) / 1e9
    assert tokens(f"train.memory_budget_gb={budget_gb:.9f}") == 500
    assert tokens("train.memory_budget_gb=0.001") == 1, "a row at a time, and a notice"
    assert tokens("train.memory_budget_gb=1000", "data.max_length=2048") == MOST_TOKENS


def test_a_row_that_may_not_fit_is_said_with_what_helps(base: Any, tmp_path: Path) -> None:
    (notice,) = made_plan(tmp_path, base, "train.memory_budget_gb=0.001", "method={name: full}").notices
    assert "train.memory_budget_gb" in notice and "1024 tokens" in notice
    assert "gradient_checkpointing" in notice and "lora" in notice
    (notice,) = made_plan(
        tmp_path, base, "train.memory_budget_gb=0.001", "train.gradient_checkpointing=true"
    ).notices
    assert "gradient_checkpointing" not in notice and "lora" not in notice


def test_checkpointing_and_lora_need_less(base: Any, tmp_path: Path) -> None:
    def need(*overrides: str) -> Any:
        plan = made_plan(tmp_path, base, *overrides)
        return memory_need(plan.recipe, plan.base, plan.trainable)

    full, lora = need("method={name: full}"), need()
    assert lora.fixed_bytes < full.fixed_bytes and lora.bytes_per_token == full.bytes_per_token
    assert need("train.gradient_checkpointing=true").bytes_per_token < lora.bytes_per_token / 3
