"""Measure what training costs on this machine, with small models of the real architecture and the real rows.

One model has one layer, the other three: half their difference is a layer, the rest is embedding and head.
Memory is counted, not sampled: autograd reports every tensor that it keeps for the backward pass.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors.torch import save_file

from luthier.core.hashing import hash_file
from luthier.data.example import Example
from luthier.methods.contract import Method, trained_parameters
from luthier.models.heads import TaskHead
from luthier.models.quantized import FourBit, quantize_in_place
from luthier.objectives.contract import Objective
from luthier.recipe.schema import TrainSection
from luthier.train.optimizer import build_optimizer

_REPEATS = 5
_FEW, _MANY = 1, 3
_WRITTEN_BYTES = 64 << 20


@dataclass(frozen=True)
class Cost:
    """What the whole model costs on this machine.

    Args:
        train_seconds_per_token: Forward and backward.
        eval_seconds_per_token: Forward only.
        step_seconds_per_parameter: The optimizer's update, by trained parameter.
        spread: Half the relative range of the middle repetitions.
        kept_bytes_per_token: Activations kept for the backward pass.
        process_bytes: The process before a model is loaded.
        write_seconds_per_byte: Writing a checkpoint and hashing it.
    """

    train_seconds_per_token: float
    eval_seconds_per_token: float
    step_seconds_per_parameter: float
    spread: float
    kept_bytes_per_token: float
    process_bytes: int
    write_seconds_per_byte: float


def probe_cost(
    base_folder: Path,
    method: Method,
    objective: Objective,
    rows: Sequence[Example],
    settings: TrainSection,
    *,
    prepare: Callable[[Any], None],
    dtype: torch.dtype,
    num_layers: int,
    scratch: Path,
    four_bit: FourBit | None = None,
) -> Cost:
    """Return the cost of training, measured in a few seconds.

    Args:
        base_folder: For the architecture; no weight is read.
        method: Applied to the small models as to the real one.
        objective: Whose loss is timed.
        rows: A typical micro-batch.
        settings: Of the optimizer.
        prepare: What training does to the model before the first step (fast path, checkpointing).
        dtype: Type of the computation.
        num_layers: Layers of the whole model.
        scratch: A folder on the disk that checkpoints go to.
        four_bit: How the base is stored in 4 bits; None where it is not.
    """
    num_tokens = sum(len(row.input_ids) for row in rows)
    batch = objective.collate(rows)
    process_bytes = psutil.Process().memory_info().rss
    few, many = (
        _Probe(base_folder, method, objective, batch, settings, prepare, dtype, n, four_bit)
        for n in (_FEW, _MANY)
    )
    for probe in (few, many):  # the first pass allocates and chooses kernels
        probe.run()
        probe.forget()
    for _ in range(_REPEATS):  # in turn, so that both see the same disturbances
        few.run()
        many.run()

    def whole(name: str) -> float:
        one, three = few.median(name), many.median(name)
        return one + (num_layers - _FEW) * max(three - one, 0.0) / (_MANY - _FEW)

    return Cost(
        train_seconds_per_token=whole("train") / num_tokens,
        eval_seconds_per_token=whole("eval") / num_tokens,
        step_seconds_per_parameter=many.median("step") / many.num_trained,
        spread=max(few.spread("train"), many.spread("train")),
        kept_bytes_per_token=whole("kept") / num_tokens,
        process_bytes=process_bytes,
        write_seconds_per_byte=_write_seconds_per_byte(scratch),
    )


def _write_seconds_per_byte(folder: Path) -> float:
    """Return what it takes to write and hash a byte, as checkpoints do."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=folder) as inside:
        file = Path(inside) / "probe.safetensors"
        started = time.perf_counter()
        save_file({"zeros": torch.zeros(_WRITTEN_BYTES // 4)}, file)
        hash_file(file)
        return (time.perf_counter() - started) / _WRITTEN_BYTES


class _Probe:
    """A small model and what was measured with it."""

    def __init__(
        self,
        folder: Path,
        method: Method,
        objective: Objective,
        batch: Any,
        settings: TrainSection,
        prepare: Callable[[Any], None],
        dtype: torch.dtype,
        num_layers: int,
        four_bit: FourBit | None,
    ) -> None:
        with torch.random.fork_rng():
            base = _small_model(folder, num_layers, dtype, objective.head)
            if four_bit:
                quantize_in_place(base, four_bit)
            self._model = method.apply(base)
        prepare(self._model)
        parameters = trained_parameters(self._model)
        self.num_trained = sum(p.numel() for p in parameters.values())
        self._optimizer = build_optimizer(parameters, settings)
        self._objective = objective
        self._batch = batch
        self._dtype = dtype
        self._measured: dict[str, list[float]] = {}

    def run(self) -> None:
        """Do a training step and an evaluation, and time them."""
        self._model.train()
        started = time.perf_counter()
        self._counted_loss().backward()
        self._note("train", time.perf_counter() - started)
        started = time.perf_counter()
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._note("step", time.perf_counter() - started)
        self._model.eval()
        started = time.perf_counter()
        with torch.no_grad():
            self._loss()
        self._note("eval", time.perf_counter() - started)

    def forget(self) -> None:
        """Drop what was measured so far."""
        self._measured.clear()

    def median(self, name: str) -> float:
        """Return the middle of the repetitions."""
        return statistics.median(self._measured[name])

    def spread(self, name: str) -> float:
        """Return half the range of the middle three repetitions, relative to the median."""
        middle = sorted(self._measured[name])[1:-1]
        return (middle[-1] - middle[0]) / (2 * self.median(name))

    def _note(self, name: str, value: float) -> None:
        self._measured.setdefault(name, []).append(value)

    def _loss(self) -> torch.Tensor:
        with torch.autocast("cpu", self._dtype, enabled=self._dtype != torch.float32):
            total: torch.Tensor = self._objective.loss(self._model, self._batch).total
        return total

    def _counted_loss(self) -> torch.Tensor:
        """Return the loss and note the bytes that autograd keeps, parameters left out."""
        own = {p.untyped_storage().data_ptr() for p in self._model.parameters()}
        kept: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = self._loss()
        self._note("kept", float(sum(kept.values())))
        return loss


def _small_model(folder: Path, num_layers: int, dtype: torch.dtype, head: TaskHead | None) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    config.num_hidden_layers = num_layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:num_layers]
    if head is None:
        return AutoModelForCausalLM.from_config(config, dtype=dtype)
    model = head.model_class().from_config(head.configure(config), dtype=dtype)
    model.config.use_cache = False
    text_config = model.config.get_text_config()
    text_config.pad_token_id = text_config.pad_token_id or 0
    return model
