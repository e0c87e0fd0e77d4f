"""The Predictor contract: rows in, what a task's head says about them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from luthier.models.heads import TaskHead
from luthier.plan.base_facts import positions_of


@dataclass(frozen=True)
class LoadedHead:
    """A result with a task's head, ready to predict.

    Args:
        model: In evaluation mode.
        tokenizer: That it was trained with.
        head: Its labels.
        dtype: Type of the computation.
        folder: Where it lies.
        settings: The keys of the objective that it was trained with, and its ``max_length``; empty for a foreign model.
    """

    model: Any
    tokenizer: Any
    head: TaskHead
    dtype: torch.dtype
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def max_length(self) -> int:
        """Longest input in tokens."""
        positions = positions_of(self.model.config.get_text_config().to_dict())
        # Some tokenizers name no longest text, which transformers writes as 10^30.
        return min(int(self.tokenizer.model_max_length), positions)

    @property
    def window_length(self) -> int:
        """Longest window in tokens, for tasks that divide long rows: that of the training."""
        return min(self.max_length, int(self.settings.get("max_length", self.max_length)))


class Predictor(Protocol):
    """Says what a model thinks of rows; one per kind of head."""

    fields: tuple[str, ...]
    """Fields that a row must have; the first is what ``--text`` gives."""

    takes_tokens: bool
    """Whether a row may have ``tokens``, a list of words, instead."""

    def __call__(
        self, rows: Sequence[Mapping[str, str]], on_progress: Callable[[int], None] = lambda done: None
    ) -> list[dict[str, Any]]:
        """Return a JSON object for each row, in their order.

        Args:
            rows: With the fields of the task, as text.
            on_progress: Told how many rows are done.
        """

    def columns(self) -> tuple[str, ...]:
        """Return the header of the table for people."""

    def line(self, prediction: Mapping[str, Any]) -> tuple[str, ...]:
        """Return a prediction as a line of that table."""
