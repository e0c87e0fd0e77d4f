"""Predict time and memory of training from a probe and the real order of the real rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luthier.train.batches import StepPlan
from luthier.train.probe import Cost

_LISTED_STEPS = 200
_CHECKPOINT_BYTES = 4 + 8
"""By trained parameter: the float32 weight and AdamW's two moments."""

_WARM_BYTES = 350_000_000
"""What a process keeps besides: code that was compiled for its matrix products, and blocks that were freed. Measured as
the difference between prediction and peak on the cases of the benchmark, which all have it."""

_MODEL_ERROR = 0.1
"""Relative error that the prediction has beside the probe's own spread, from the cases of the benchmark."""


@dataclass(frozen=True)
class Forecast:
    """What training will take.

    Args:
        num_steps: Optimizer steps.
        seconds: Training, with the evaluations and checkpoints in between.
        relative_error: Of the seconds, up and down.
        peak_bytes: Largest memory of the process.
        tokens_per_second: In training steps.
    """

    num_steps: int
    seconds: float
    relative_error: float
    peak_bytes: int
    tokens_per_second: float


@dataclass(frozen=True)
class ModelSize:
    """Parameters, the bytes that each takes, and what a base in 4 bits takes less."""

    num_total: int
    num_trainable: int
    bytes_per_frozen: int
    bytes_per_trained: float
    bytes_saved: int = 0


def forecast_training(
    cost: Cost,
    steps: StepPlan,
    eval_tokens: int,
    size: ModelSize,
    *,
    num_evaluations: int,
    num_checkpoints: int,
) -> Forecast:
    """Return what training will take.

    Args:
        cost: Measured on this machine.
        steps: Which rows each step takes.
        eval_tokens: Tokens of the held-out rows.
        size: Of the model.
        num_evaluations: Evaluations during training.
        num_checkpoints: Checkpoints written during training.
    """
    looked_at = range(min(steps.num_steps, _LISTED_STEPS))
    tokens = [steps.num_tokens(steps.rows(step)) for step in looked_at]
    tokens_per_step = sum(tokens) / len(tokens)
    step_seconds = (
        tokens_per_step * cost.train_seconds_per_token + size.num_trainable * cost.step_seconds_per_parameter
    )
    seconds = steps.num_steps * step_seconds
    seconds += num_evaluations * eval_tokens * cost.eval_seconds_per_token
    seconds += num_checkpoints * size.num_trainable * _CHECKPOINT_BYTES * cost.write_seconds_per_byte
    largest = max(
        steps.num_tokens(batch) for step in looked_at for batch in steps.micro_batches(steps.rows(step))
    )
    peak = (
        cost.process_bytes
        + _WARM_BYTES
        + (size.num_total - size.num_trainable) * size.bytes_per_frozen
        - size.bytes_saved
        + size.num_trainable * size.bytes_per_trained
        + largest * cost.kept_bytes_per_token
    )
    return Forecast(
        num_steps=steps.num_steps,
        seconds=seconds,
        relative_error=_MODEL_ERROR + cost.spread,
        peak_bytes=round(peak),
        tokens_per_second=tokens_per_step / step_seconds,
    )


def typical_micro_batch(steps: StepPlan) -> Sequence[int]:
    """Return the micro-batch of middle size among those of the first steps."""
    looked_at = range(min(steps.num_steps, _LISTED_STEPS))
    batches = [batch for step in looked_at for batch in steps.micro_batches(steps.rows(step))]
    return sorted(batches, key=steps.num_tokens)[len(batches) // 2]


def count_due(steps: StepPlan, strategy: str, every: int | None) -> int:
    """Return how often the held-out loss is measured, or a checkpoint written."""
    if strategy == "no":
        return 0
    period = every if strategy == "steps" and every else steps.steps_per_epoch
    whole, rest = divmod(steps.num_steps, period)
    return whole + bool(rest)
