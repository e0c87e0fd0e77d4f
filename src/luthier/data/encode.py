"""From a sample to tokens and labels, cut to length without losing anything silently."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np

from luthier.core.errors import DataError, TemplateError
from luthier.data.example import IGNORED, Example, Rejection
from luthier.data.sample import Sample
from luthier.data.template import ChatTemplate, LossOn

TooLong = Literal["truncate", "drop", "error"]


class Encoder(Protocol):
    """Turns one sample into examples, or says why not."""

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Encode one sample."""


def _reject(sample: Sample, reason: str, detail: str) -> Rejection:
    return Rejection(sample.source, sample.row, reason, detail)


class ChatEncoder:
    """Encodes conversations.

    Args:
        template: Renders, tokenizes and masks.
        loss_on: Which tokens carry loss.
        max_length: Longest example in tokens.
        too_long: What happens to longer ones; see the recipe's ``data.too_long``.
    """

    def __init__(
        self, template: ChatTemplate, *, loss_on: LossOn, max_length: int, too_long: TooLong
    ) -> None:
        self._template = template
        self._loss_on = loss_on
        self._max_length = max_length
        self._too_long = too_long

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Encode one conversation.

        Raises:
            DataError: The row is too long and the recipe says ``too_long: error``.
        """
        if not sample.messages:
            return _reject(
                sample, "not_a_conversation", "objective sft needs conversations, this row is raw text"
            )
        try:
            chat = self._template.encode(sample.messages, sample.tools, self._loss_on)
        except TemplateError as error:
            return _reject(sample, "template", error.problem)
        length = len(chat.input_ids)
        cut, lost_end = length, False
        if length > self._max_length:
            if self._too_long == "error":
                raise DataError(
                    f"has {length} tokens, data.max_length is {self._max_length}",
                    where=sample.place,
                    cure="raise data.max_length, or set data.too_long: truncate or drop",
                )
            if self._too_long == "drop":
                return _reject(sample, "too_long", f"{length} tokens, at most {self._max_length}")
            whole_turns = [end for end in chat.turn_ends if end <= self._max_length]
            cut = whole_turns[-1] if whole_turns else self._max_length
            lost_end = not whole_turns
        labels = np.asarray(chat.labels[:cut], dtype=np.int32)
        if not (labels[1:] != IGNORED).any():
            if lost_end:
                return _reject(sample, "no_labels", f"the prompt alone fills {self._max_length} tokens")
            return _reject(sample, "no_labels", "no assistant turn carries loss")
        # Tokens after the last label change nothing in the loss.
        used = int(np.flatnonzero(labels != IGNORED)[-1]) + 1
        input_ids = np.asarray(chat.input_ids[:used], dtype=np.int32)
        return [Example(input_ids, labels[:used], sample.source, sample.row, length - cut, lost_end)]


class TextEncoder:
    """Encodes raw text into blocks; each document ends with the end token and loses no token.

    Args:
        tokenizer: Of the base.
        max_length: Longest block in tokens.
    """

    def __init__(self, tokenizer: Any, *, max_length: int) -> None:
        if tokenizer.eos_token_id is None:
            raise DataError("the tokenizer has no end token, so documents could not be told apart")
        self._tokenizer = tokenizer
        self._max_length = max_length

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Encode one document."""
        if sample.text is None:
            return _reject(
                sample, "not_text", "objective pretraining needs raw text, this row is a conversation"
            )
        ids = [*self._tokenizer(sample.text)["input_ids"]]
        if not ids or ids[-1] != self._tokenizer.eos_token_id:
            ids.append(self._tokenizer.eos_token_id)
        blocks = [ids[i : i + self._max_length] for i in range(0, len(ids), self._max_length)]
        if len(blocks) > 1 and len(blocks[-1]) == 1:
            # A block of one token has nothing to predict; it takes a neighbour from the block before.
            blocks[-1].insert(0, blocks[-2].pop())
        if len(ids) < 2:
            return _reject(sample, "no_labels", "the document has no token")
        arrays = [np.asarray(block, dtype=np.int32) for block in blocks]
        return [Example(array, array.copy(), sample.source, sample.row) for array in arrays]
