"""Example: an encoded row, ready to be batched; Rejection: a row that was left out, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORED = -100
"""Label of a token that carries no loss (PyTorch's and Hugging Face's convention)."""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of one row and the labels that are trained.

    Args:
        input_ids: Tokens, int32, shape [T].
        labels: The same tokens where they carry loss, `IGNORED` elsewhere, int32, shape [T]. Not shifted:
            the loss compares the logits at t-1 with the label at t.
        source: Path of the file, as the recipe names it.
        row: Row number in that file, from 1.
        num_truncated: Tokens cut off to fit ``max_length``.
        lost_end: Whether an answer was cut before its end token.
        num_escaped: Special tokens that stood in the content and were encoded as plain characters.
        weight: Factor of the row's losses; 2 trains as the row twice.
    """

    input_ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    source: str
    row: int
    num_truncated: int = 0
    lost_end: bool = False
    num_escaped: int = 0
    weight: float = 1.0

    @property
    def num_supervised(self) -> int:
        """Labels that enter the loss: the first token is predicted from nothing and never counts."""
        return int((self.labels[1:] != IGNORED).sum())

    @property
    def place(self) -> str:
        """Where the row stands, for messages."""
        return f"{self.source}, row {self.row}"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is not trained.

    Args:
        source: Path of the file, as the recipe names it.
        row: Row number in that file, from 1.
        reason: Short code that is counted, e.g. ``duplicate`` or ``no_labels``.
        detail: A sentence for a person.
        raw: The row as it was read, so that nothing is lost.
    """

    source: str
    row: int
    reason: str
    detail: str
    raw: Any = field(default=None, compare=False)

    @property
    def place(self) -> str:
        """Where the row stands, for messages."""
        return f"{self.source}, row {self.row}"
