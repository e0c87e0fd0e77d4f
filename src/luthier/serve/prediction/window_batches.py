"""Windows of rows through a model with a head, similar lengths together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from luthier.data.collate import collate_padded
from luthier.data.example import Example
from luthier.data.length_batches import batches_by_length
from luthier.objectives.headed import head_outputs
from luthier.serve.prediction.contract import LoadedHead

_NO_LABEL = np.zeros(1, dtype=np.int32)

Inputs = tuple[Sequence[int], Sequence[int] | None]
"""Token ids, and token types where the tokenizer tells two texts apart."""


def run_windows(
    loaded: LoadedHead, windows: Sequence[Inputs], on_progress: Callable[[int], None]
) -> Iterator[tuple[int, int, Any, int]]:
    """Yield for each window its number, its length in tokens, the outputs of its batch, and its place there.

    Args:
        loaded: The model.
        windows: Each a row for the model.
        on_progress: Told how many windows are done.
    """
    examples = [
        Example(
            np.asarray(ids, dtype=np.int32),
            _NO_LABEL,
            "",
            number,
            target="row",
            token_type_ids=None if types is None or not any(types) else np.asarray(types, dtype=np.int32),
        )
        for number, (ids, types) in enumerate(windows)
    ]
    done = 0
    for numbers in batches_by_length([len(ids) for ids, _ in windows]) if windows else ():
        batch = collate_padded([examples[n] for n in numbers], loaded.tokenizer.pad_token_id)
        with (
            torch.inference_mode(),
            torch.autocast("cpu", loaded.dtype, enabled=loaded.dtype != torch.float32),
        ):
            outputs = head_outputs(loaded.model, batch)
        for place, number in enumerate(numbers):
            yield number, len(windows[number][0]), outputs, place
        done += len(numbers)
        on_progress(done)
