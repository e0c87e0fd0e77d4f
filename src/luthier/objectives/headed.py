"""A task's head at work: a batch of rows through a model, on the fast path without padding in the layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from luthier.core.errors import ModelError
from luthier.data.collate import Batch
from luthier.data.example import Example
from luthier.data.length_batches import batches_by_length
from luthier.data.store import lengths_of
from luthier.objectives.contract import Objective


def head_outputs(model: Any, batch: Batch) -> Any:
    """Return the model's own outputs for padded rows: ``logits``, or ``start_logits`` and ``end_logits``.

    The model's forward runs, so that every head of transformers and every method of PEFT works; where the model is
    accelerated, its layers see the tokens only.
    """
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    # PEFT's model for question answering takes the types of tokens and drops them (0.21): go in behind it.
    if hasattr(model, "active_peft_config") and not model.active_peft_config.is_prompt_learning:
        model = model.base_model
    if batch.token_type_ids is not None and (getattr(model.config, "type_vocab_size", 0) or 0) > 1:
        inputs["token_type_ids"] = batch.token_type_ids
    return model(**inputs)


def run_rows(
    model: Any,
    objective: Objective,
    rows: Sequence[Example],
    *,
    dtype: torch.dtype,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Iterator[tuple[list[int], Batch, Any]]:
    """Yield row numbers, batch and outputs over all rows, similar lengths together, without dropout and gradient.

    Args:
        model: With the task's head.
        objective: Collates.
        rows: Encoded.
        dtype: Type of the computation.
        on_progress: Told how many rows are done.

    Raises:
        ModelError: The model answers with NaN or infinity; the row is named.
    """
    model.eval()
    done = 0
    for numbers in batches_by_length(lengths_of(rows)):
        batch = objective.collate([rows[number] for number in numbers]).unweighted()
        with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            outputs = head_outputs(model, batch)
        _refuse_non_finite(outputs, batch)
        yield numbers, batch, outputs
        done += len(numbers)
        on_progress(done)


def _refuse_non_finite(outputs: Any, batch: Batch) -> None:
    """Raise a `ModelError` where an answer is no number: what is computed of it would be none either, or a guess."""
    for name in ("logits", "start_logits", "end_logits"):
        values = getattr(outputs, name, None)
        if values is None:
            continue
        is_bad = ~values.isfinite()
        is_of_tokens = name != "logits" or values.ndim == 3
        if is_of_tokens and batch.attention_mask is not None:  # what a model computes of filler is no answer
            is_token_BT = batch.attention_mask.bool()
            is_bad = is_bad & (is_token_BT[..., None] if values.ndim == 3 else is_token_BT)
        is_bad_B = is_bad.flatten(1).any(dim=1)
        if is_bad_B.any():
            raise ModelError(
                f"the model answers with NaN or infinity, in {int(is_bad_B.sum())} of {len(is_bad_B)} rows of a batch",
                where=batch.places[int(is_bad_B.int().argmax())],
                cure="its training diverged: train again with a lower train.learning_rate, or take an earlier "
                "checkpoint; a base or a row that makes it so must be left out",
            )
