"""Two tasks over a tiny random encoder, two generative ones over a tiny Llama, and the loop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from luthier.core.errors import Interrupted
from luthier.core.events import EventLog
from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.methods.contract import Method, trained_parameters
from luthier.methods.full import Full
from luthier.models.load import load_model
from luthier.objectives.build import build_objective
from luthier.objectives.contract import Objective
from luthier.objectives.language_modeling import LanguageModeling
from luthier.objectives.multitask.build import build_multitask
from luthier.recipe.objective_sections import MultitaskObjective
from luthier.recipe.schema import DataSection, TrainSection
from luthier.train.checkpoint import CheckpointStore, TrainState
from luthier.train.loop import Loop
from tests.models.tiny_encoder import save_tiny_encoder

INTENT = {"name": "intent", "objective": {"name": "classification"}}
ENTITIES = {"name": "entities", "objective": {"name": "token_classification"}}
DATA = DataSection.model_validate({"train": [{"path": "made.jsonl"}], "max_length": 32})


def samples(count: int = 24, seed: int = 0) -> list[Sample]:
    """Texts whose class is their first letter, and words of which those with an x are entities; two to one."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(count):
        letters = [
            "".join(generator.choice(list("abcdex"), size=3)) for _ in range(int(generator.integers(2, 5)))
        ]
        if number % 3 < 2:
            first = str(generator.choice(["a", "b"]))
            text = f"{first}{''.join(letters)}"
            made.append(Sample("made.jsonl", number + 1, text=text, labels=(first,), task="intent"))
        else:
            tags = tuple("B-thing" if "x" in word else "O" for word in letters)
            made.append(Sample("made.jsonl", number + 1, tokens=tuple(letters), tags=tags, task="entities"))
    return made


def headed(folder: Path, *, dropout: float = 0.0, **section: Any) -> tuple[Objective, Any, list[Example]]:
    """Return the objective of both tasks, the tokenizer, and encoded rows."""
    if not (folder / "config.json").is_file():
        save_tiny_encoder(folder)
        config = json.loads((folder / "config.json").read_text())
        config |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
        (folder / "config.json").write_text(json.dumps(config))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    parsed = MultitaskObjective.model_validate({"name": "multitask", "tasks": [INTENT, ENTITIES], **section})
    objective = build_objective(parsed, tokenizer, DATA, packing=False)
    names = [task.name for task in parsed.tasks]
    return objective, tokenizer, encoded(objective, [row for row in samples() if row.task in names])


def encoded(objective: Any, rows: Sequence[Sample]) -> list[Example]:
    """Learn from rows and encode them."""
    objective.encoder.learn(rows)
    made = [objective.encoder(row) for row in rows]
    return [example for examples in made for example in examples]


def headed_model(folder: Path, objective: Objective) -> Any:
    """The tiny encoder with the objective's heads."""
    return load_model(folder, dtype=torch.float32, head=objective.head, new_head_seed=5)


def generative(**section: Any) -> Any:
    """The objective of two generative tasks, short and long."""
    parsed = MultitaskObjective.model_validate(
        {
            "name": "multitask",
            "tasks": [
                {"name": name, "objective": {"name": "pretraining"}}
                for name in section.pop("names", ["short", "long"])
            ],
            **section,
        }
    )
    return build_multitask(parsed, lambda own: LanguageModeling(None, packing=False, pad_token_id=0))  # type: ignore[arg-type]


def with_tasks(rows: Sequence[Example], names: Sequence[str]) -> list[Example]:
    """Rows that belong to the tasks in turn."""
    return [replace(row, task=names[number % len(names)]) for number, row in enumerate(rows)]


def train(
    folder: Path,
    model: Any,
    objective: Any,
    rows: Sequence[Example],
    eval_rows: Sequence[Example] = (),
    *,
    method: Method | None = None,
    stop_after: int | None = None,
    on_loop: Callable[[Loop], None] = lambda loop: None,
    **settings: Any,
) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]], TrainState]:
    """Train in float32, going on where the folder has a checkpoint; return weights, events and the final state."""
    settings = {
        "learning_rate": 1e-2,
        "eval_strategy": "epoch" if eval_rows else "no",
        "packing": False,
        **settings,
    }
    events: list[dict[str, Any]] = []
    log = EventLog(folder / "events.jsonl")
    log.listen(events.append)
    store = CheckpointStore(
        folder / "checkpoints", fingerprint="f" * 64, keep=2, wait_minutes=0.0, events=log
    )
    model = (method or Full()).apply(model)
    loop = Loop(
        model,
        objective,
        rows,
        eval_rows,
        TrainSection.model_validate(settings),
        dtype=torch.float32,
        micro_batch_tokens=64,
        seed=3,
        checkpoints=store,
        events=log,
    )
    on_loop(loop)
    if stop_after is not None:
        log.listen(lambda event: _interrupt(event, stop_after))
    newest = store.newest()
    state = store.load(newest)[0] if newest else TrainState(fingerprint="f" * 64)
    with contextlib.suppress(Interrupted):
        state = loop.run(state)
    return {n: p.detach().clone() for n, p in trained_parameters(model).items()}, events, state


def _interrupt(event: dict[str, Any], step: int) -> None:
    if event["kind"] == "train_step" and event["step"] == step:
        os.kill(os.getpid(), signal.SIGINT)
