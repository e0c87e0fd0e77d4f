"""Predict a run's time and memory from a probe: one and two layers of the real architecture, timed here.

The difference of the two is a layer's cost, the rest is the cost of embedding and head. Memory is
counted, not sampled: autograd reports every tensor it keeps for the backward pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from luthier.core.files import read_json, write_json
from luthier.core.hashing import fingerprint
from luthier.core.home import cache_folder
from luthier.data.example import Example
from luthier.methods.contract import Method, trained_parameters
from luthier.objectives.contract import Objective

_REPEATS = 3


@dataclass(frozen=True)
class Cost:
    """What the whole model costs on this machine.

    Args:
        seconds_per_token: Training, forward and backward.
        seconds_per_eval_token: Forward only.
        spread: Half the relative difference between the slowest and the fastest repetition.
        activation_bytes_per_token: Kept for the backward pass.
        transient_bytes_per_token: At the head, beside what is kept.
        overhead_bytes: The process without a model.
    """

    seconds_per_token: float
    seconds_per_eval_token: float
    spread: float
    activation_bytes_per_token: float
    transient_bytes_per_token: float
    overhead_bytes: int


def probe_cost(
    base_folder: Path,
    method: Method,
    objective: Objective,
    rows: Sequence[Example],
    *,
    prepare: Callable[[Any], Any],
    dtype: torch.dtype,
    num_layers: int,
    micro_batch_tokens: int,
    identity: Sequence[Any],
) -> Cost:
    """Return the cost of training, measured in a few seconds or remembered from an earlier probe.

    Args:
        base_folder: For the architecture; no weight is read.
        method: Applied to the small models as to the real one.
        objective: Whose loss is timed.
        rows: Rows of the real data; the first ones that fill a micro-batch are used.
        prepare: What the loop does to the model before training (fast path, checkpointing).
        dtype: Type of the computation.
        num_layers: Layers of the whole model.
        micro_batch_tokens: Size of the timed batch in tokens.
        identity: What the cost depends on besides machine and rows, for the memory of probes.
    """
    chosen = _fill(rows, micro_batch_tokens)
    num_tokens = sum(len(row.input_ids) for row in chosen)
    key = fingerprint(
        [*identity, num_layers, str(dtype), num_tokens, len(chosen), torch.__version__, _machine()]
    )
    path = cache_folder() / "probes" / f"{key[:16]}.json"
    if path.is_file():
        return Cost(**read_json(path))
    overhead = psutil.Process().memory_info().rss
    batch = objective.collate(chosen)
    with torch.random.fork_rng():
        measured = [
            _measure(prepare(method.apply(_small_model(base_folder, n, dtype))), objective, batch, dtype)
            for n in (1, 2)
        ]
    one, two = measured
    whole = {
        name: one[name] + (num_layers - 1) * max(two[name] - one[name], 0.0)
        for name in one
        if name != "spread"
    }
    cost = Cost(
        seconds_per_token=whole["train_seconds"] / num_tokens,
        seconds_per_eval_token=whole["eval_seconds"] / num_tokens,
        spread=max(one["spread"], two["spread"]),
        activation_bytes_per_token=whole["saved_bytes"] / num_tokens,
        transient_bytes_per_token=one["head_bytes"] / num_tokens,
        overhead_bytes=overhead,
    )
    write_json(path, asdict(cost))
    return cost


def _machine() -> str:
    return f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def _fill(rows: Sequence[Example], max_tokens: int) -> list[Example]:
    """Return the first rows that fit a micro-batch, at least one."""
    chosen: list[Example] = []
    total = 0
    for row in rows:
        if chosen and total + len(row.input_ids) > max_tokens:
            break
        chosen.append(row)
        total += len(row.input_ids)
    return chosen


def _small_model(folder: Path, num_layers: int, dtype: torch.dtype) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    config.num_hidden_layers = num_layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:num_layers]
    return AutoModelForCausalLM.from_config(config, dtype=dtype)


def _measure(model: Any, objective: Objective, batch: Any, dtype: torch.dtype) -> dict[str, float]:
    """Return seconds of training and of evaluation, bytes kept for the backward pass, and the spread."""
    model.train()
    parameters = trained_parameters(model)
    static = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in static:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    def loss() -> torch.Tensor:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            total: torch.Tensor = objective.loss(model, batch).total
        return total

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss().backward()
    train_seconds, eval_seconds = [], []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        loss().backward()
        train_seconds.append(time.perf_counter() - started)
        for parameter in parameters.values():
            parameter.grad = None
        started = time.perf_counter()
        with torch.no_grad():
            loss()
        eval_seconds.append(time.perf_counter() - started)
    largest = max(kept.values(), default=0)
    return {
        "train_seconds": min(train_seconds),
        "eval_seconds": min(eval_seconds),
        "spread": (max(train_seconds) - min(train_seconds)) / (2 * min(train_seconds)),
        "saved_bytes": float(sum(kept.values())),
        "head_bytes": float(largest),
    }
