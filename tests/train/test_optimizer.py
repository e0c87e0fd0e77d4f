"""Each optimizer of the recipe: it trains, resumes to the bit, and keeps no more than the plan counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import RecipeError
from luthier.pipeline.run import make_plan
from luthier.plan import resolve
from luthier.plan.hardware import Hardware, detect_hardware
from luthier.plan.optimizers import trained_bytes
from luthier.recipe.load import load
from luthier.recipe.schema import TrainSection
from luthier.train.optimizer import build_optimizer, optimizer_tensors
from tests.tiny_job import write_recipe
from tests.train.test_loop import train

ON_CPU = ("adamw", "adafactor", "sgd")


@pytest.mark.parametrize("optim", ON_CPU)
def test_a_resumed_run_ends_in_the_same_bits(
    optim: str, make_tiny_llama: Callable[..., Any], make_rows: Callable[..., Any], tmp_path: Path
) -> None:
    settings = {"optim": optim, "max_steps": 6, "per_device_train_batch_size": 4}
    whole, events, _ = train(tmp_path / "whole", make_tiny_llama(), make_rows(12), **settings)
    losses = [event["loss"] for event in events if event["kind"] == "train_step"]
    assert losses[-1] < losses[0]
    train(tmp_path / "cut", make_tiny_llama(), make_rows(12), stop_after=3, **settings)
    resumed, _, state = train(tmp_path / "cut", make_tiny_llama(), make_rows(12), **settings)
    assert state.step == 6
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("optim", ON_CPU)
def test_its_state_is_what_the_plan_counts(optim: str, make_tiny_llama: Callable[..., Any]) -> None:
    model = make_tiny_llama(hidden_size=64, intermediate_size=128)
    parameters = {name: p for name, p in model.named_parameters() if p.ndim == 2}
    settings = TrainSection.model_validate({"optim": optim})
    optimizer = build_optimizer(parameters, settings)
    sum(p.square().sum() for p in parameters.values()).backward()
    optimizer.step()
    kept = sum(
        t.nbytes
        for key, t in optimizer_tensors(optimizer, parameters).items()
        if t.ndim and "number:" not in key
    )
    counted = (trained_bytes(settings) - 8) * sum(p.numel() for p in parameters.values())
    assert kept <= counted
    assert optim == "adafactor" or kept == counted


def test_adafactor_is_hugging_faces(make_tiny_llama: Callable[..., Any]) -> None:
    """The trainer of transformers sets ``scale_parameter`` and ``relative_step`` off, too."""
    from transformers.optimization import Adafactor

    ours, theirs = make_tiny_llama(), make_tiny_llama()
    settings = TrainSection.model_validate({"optim": "adafactor", "learning_rate": 1e-2})
    one = build_optimizer(dict(ours.named_parameters()), settings)
    other = Adafactor(theirs.parameters(), lr=1e-2, scale_parameter=False, relative_step=False)
    tokens = torch.arange(3, 40)[None]
    for model, optimizer in ((ours, one), (theirs, other)):
        for _ in range(3):
            optimizer.zero_grad()
            model(input_ids=tokens, labels=tokens).loss.backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_sgd_decays_by_the_rate_times_the_decay() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2))
    section = TrainSection.model_validate({"optim": "sgd", "learning_rate": 0.1, "weight_decay": 0.5})
    optimizer = build_optimizer({"weight": weight}, section)
    weight.grad = torch.full((2, 2), 2.0)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((2, 2), 1.0 - 0.1 * 2.0 - 0.1 * 0.5))


def _faults(folder: Path, **train_section: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        make_plan(load(write_recipe(folder, train=train_section)))
    return str(caught.value)


def test_paged_memory_needs_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpu: Hardware = replace(detect_hardware(), device="cuda")
    monkeypatch.setattr(resolve, "detect_hardware", lambda: replace(on_gpu, device="cpu"))
    assert "there is no GPU here" in _faults(tmp_path, optim="paged_adamw")
    monkeypatch.setattr(resolve, "detect_hardware", lambda: on_gpu)
    pytest.importorskip("bitsandbytes")
    assert make_plan(load(tmp_path / "recipe.yaml")).recipe.train.optim == "paged_adamw"


def test_keys_of_adam_have_no_effect_elsewhere(tmp_path: Path) -> None:
    told = _faults(tmp_path, optim="sgd", adam_beta1=0.8, adam_epsilon=1e-6)
    assert "train.adam_beta1: has no effect with optim: sgd" in told and "train.adam_epsilon" in told
