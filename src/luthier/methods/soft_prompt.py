"""What methods with virtual tokens have in common: the base stays, something trained stands before each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from luthier.core.errors import TrainingError
from luthier.methods.contract import Method, in_float32, refused_merge
from luthier.models.heads import head_of
from luthier.models.virtual_tokens import put_below_head


class SoftPrompt(Method):
    """A method that is one of PEFT's prompt-learning configurations.

    Args:
        section: The recipe's method.
        tokenize: Token ids of a text, where it begins with one.
    """

    def __init__(self, section: Any, tokenize: Callable[[str], Sequence[int]] | None = None) -> None:
        self._section = section
        self._tokenize = tokenize

    def apply(self, model: Any) -> Any:
        """Return a ``peft.PeftModel`` whose virtual tokens come in below the head."""
        from peft import TaskType, get_peft_model

        config = self.config(model)
        config.task_type = TaskType[head_of(model).peft_task]
        # PEFT runs the base to fill a prefix, so ours takes over afterwards.
        applied = get_peft_model(model, config)
        self.initialise(applied)
        return in_float32(put_below_head(applied))

    def config(self, model: Any) -> Any:
        """Return PEFT's configuration for this model."""
        raise NotImplementedError

    def initialise(self, model: Any) -> None:
        """Set the first values, where PEFT's are not wanted."""

    def text_tokens(self, text: str, key: str) -> list[int]:
        """Return the tokens of ``text``, repeated to the number of virtual tokens.

        Raises:
            TrainingError: The text has no tokens, or more than there are virtual ones: its end would be lost.
        """
        assert self._tokenize is not None, "a method that begins with a text needs a tokenizer"
        length = self._section.num_virtual_tokens
        tokens = list(self._tokenize(text))
        if not 0 < len(tokens) <= length:
            raise TrainingError(
                f"the text has {len(tokens)} tokens, the prompt {length}",
                where=f"method.{key}",
                cure=f"num_virtual_tokens: {len(tokens)}" if tokens else "write a text",
            )
        return (tokens * length)[:length]

    def save(self, model: Any, folder: Path, dtype: torch.dtype) -> None:
        """Write the virtual tokens in float32 in PEFT's layout; a network that makes them has done its work."""
        model.save_pretrained(folder, save_embedding_layers=False)

    def merge(self, model: Any) -> Any:
        """Refuse: what stands before a row is no part of any weight."""
        raise refused_merge(self._section.name)
