"""A tiny training run for a process that the test kills."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from luthier.core.events import EventLog
from luthier.data.example import Example
from luthier.methods.contract import trained_parameters
from luthier.methods.full import Full
from luthier.objectives.language_modeling import LanguageModeling
from luthier.recipe.schema import TrainSection
from luthier.train.checkpoint import CheckpointStore, TrainState
from luthier.train.loop import Loop


def main(folder: Path, kill_at: int) -> None:
    """Train ten steps with a checkpoint every two; die without warning after step ``kill_at``."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        attention_dropout=0.1,
    )
    model: Any = Full().apply(LlamaForCausalLM(config))
    generator = np.random.default_rng(0)
    rows = []
    for number in range(20):
        tokens = generator.integers(0, 64, size=12).astype(np.int32)
        rows.append(Example(input_ids=tokens, labels=tokens, source="made", row=number + 1))
    log = EventLog(folder / "events.jsonl")

    def die(event: dict[str, Any]) -> None:
        if event["kind"] == "train_step" and event["step"] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    log.listen(die)
    store = CheckpointStore(folder / "checkpoints", fingerprint="k" * 64, keep=2, wait_minutes=0, events=log)
    settings = TrainSection.model_validate(
        {
            "num_train_epochs": 1.0,
            "per_device_train_batch_size": 2,
            "save_strategy": "steps",
            "save_steps": 2,
            "eval_strategy": "no",
        }
    )
    objective = LanguageModeling(encoder=None, packing=True, pad_token_id=0)  # type: ignore[arg-type]
    loop = Loop(
        model,
        objective,
        rows,
        (),
        settings,
        dtype=torch.float32,
        micro_batch_tokens=64,
        seed=1,
        checkpoints=store,
        events=log,
    )
    newest = store.newest()
    loop.run(store.load(newest)[0] if newest else TrainState(fingerprint="k" * 64))
    save_file(
        {n: p.detach().contiguous() for n, p in trained_parameters(model).items()},
        folder / "final.safetensors",
    )
