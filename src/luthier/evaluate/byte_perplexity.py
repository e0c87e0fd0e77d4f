"""Perplexity per byte: comparable between models that cut texts into other tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luthier.data.example import IGNORED, Example


def supervised_bytes(rows: Sequence[Example], tokenizer: Any) -> NDArray[np.float64]:
    """Return the bytes of UTF-8 that the predicted tokens of each row spell, shape [N].

    Special tokens spell nothing; their loss counts, as it must: a model has to say where its answer ends.

    Reference: ``byte_perplexity`` of lm-evaluation-harness is ``exp(nats / bytes)``.
    """
    texts = (
        tokenizer.decode(
            [int(label) for label in row.labels if label != IGNORED],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        for row in rows
    )
    return np.array([len(text.encode("utf-8", "replace")) for text in texts], dtype=np.float64)
