"""Example: an encoded row, ready to be batched; Rejection: a row that was left out, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

IGNORED = -100
"""Label of a token that carries no loss (PyTorch's and Hugging Face's convention)."""

Target = Literal["next_token", "token", "row"]
"""What the labels of a row belong to: each token, predicted from those before it; each token, read where it stands;
or the row as a whole."""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of one row and the labels that are trained.

    Args:
        input_ids: Tokens, int32, shape [T].
        labels: int32. For ``next_token`` the same tokens where they carry loss, `IGNORED` elsewhere, shape [T]; not
            shifted: the loss compares the logits at t-1 with the label at t. For ``token`` a class per token,
            `IGNORED` where none is asked for, shape [T]. For ``row`` what the objective says, all rows alike: a class
            [1], a 0 or 1 for each class [C], start and end of a span [2].
        source: Path of the file, as the recipe names it.
        row: Row number in that file, from 1.
        num_truncated: Tokens cut off to fit ``max_length``.
        lost_end: Whether an answer was cut before its end token.
        num_escaped: Special tokens that stood in the content and were encoded as plain characters.
        weight: Factor of the row's losses; 2 trains as the row twice.
        target: What the labels belong to.
        token_type_ids: Segment of each token, int32, shape [T], for encoders that tell two texts apart; else None.
        task: Which of several tasks the row belongs to; None where there is one.
        tools_as_text: Whether it has tools, and the chat template knows none: their turns are plain text.
    """

    input_ids: NDArray[np.int32]
    labels: NDArray[np.int32]
    source: str
    row: int
    num_truncated: int = 0
    lost_end: bool = False
    num_escaped: int = 0
    weight: float = 1.0
    target: Target = "next_token"
    token_type_ids: NDArray[np.int32] | None = None
    task: str | None = None
    tools_as_text: bool = False

    @property
    def num_supervised(self) -> int:
        """Items that enter the loss: labelled tokens (the first is predicted from nothing), or the row as one."""
        if self.target == "row":
            return 1
        labels = self.labels[1:] if self.target == "next_token" else self.labels
        return int((labels != IGNORED).sum())

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
