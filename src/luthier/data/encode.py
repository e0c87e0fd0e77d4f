"""From a sample to tokens and labels, cut to length without losing anything silently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from luthier.core.errors import DataError
from luthier.data.example import IGNORED, Example, Rejection
from luthier.data.pieces import PieceTokenizer
from luthier.data.render import ConversationError
from luthier.data.sample import Kind, Sample
from luthier.data.special_text import SpecialText
from luthier.data.template import ChatTemplate, EncodedChat, LossOn

TooLong = Literal["truncate", "drop", "error"]

KINDS: dict[Kind, str] = {
    "conversation": "a conversation",
    "text": "raw text",
    "classification": "a text with its label",
    "token_classification": "words with tags",
    "question_answering": "a question with spans of a context",
}


class Encoder(Protocol):
    """Turns one sample into examples, or says why not."""

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Encode one sample."""


@runtime_checkable
class LearningEncoder(Encoder, Protocol):
    """An encoder that must see all training rows before it encodes any, e.g. to find the classes."""

    def learn(self, samples: Iterable[Sample]) -> dict[str, Any]:
        """Look at the training rows and return what was found, as JSON; it is frozen into the dataset artifact.

        Raises:
            DataError: Nothing can be trained on these rows.
        """

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Take up what `learn` returned before."""


def reject(sample: Sample, reason: str, detail: str) -> Rejection:
    """Return the rejection of a row."""
    return Rejection(sample.source, sample.row, reason, detail)


class ChatEncoder:
    """Encodes conversations.

    Tokens after the last one that carries loss are left out: they change nothing in the loss.

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
            detail = f"objective sft needs conversations, this row is {KINDS[sample.kind]}"
            return reject(sample, "not_a_conversation", detail)
        if odd := next((m.weight for m in sample.messages if m.weight not in (0, 1)), None):
            detail = f"a turn of weight {odd:g} needs an example of its own; set objective.expand_turns: true"
            return reject(sample, "turn_weight", detail)
        try:
            chat = self._template.encode(sample.messages, sample.tools, self._loss_on)
        except ConversationError as error:
            return reject(sample, error.reason, error.problem)
        labels = np.asarray(chat.labels, dtype=np.int32)
        supervised = np.flatnonzero(labels[1:] != IGNORED)
        if not len(supervised):
            return reject(sample, "no_labels", "no assistant turn carries loss")
        length = int(supervised[-1]) + 2
        if length <= self._max_length:
            return [self._example(sample, chat, labels, length, num_truncated=0, lost_end=False)]
        return self._cut(sample, chat, labels, length)

    def _cut(
        self, sample: Sample, chat: EncodedChat, labels: np.ndarray[Any, Any], length: int
    ) -> list[Example] | Rejection:
        """Do with a row that is too long what the recipe says."""
        if self._too_long == "error":
            raise DataError(
                f"the row has {length} tokens, data.max_length is {self._max_length}",
                where=sample.place,
                cure="raise data.max_length, or set data.too_long: truncate or drop",
            )
        if self._too_long == "drop":
            return reject(sample, "too_long", f"{length} tokens, at most {self._max_length}")
        whole_turns = [end for end in chat.turn_ends if end <= self._max_length]
        cut = whole_turns[-1] if whole_turns else self._max_length
        if not (labels[1:cut] != IGNORED).any():
            detail = f"the prompt alone fills data.max_length, {self._max_length} tokens"
            return reject(sample, "no_labels", detail)
        return [
            self._example(sample, chat, labels, cut, num_truncated=length - cut, lost_end=not whole_turns)
        ]

    def _example(
        self,
        sample: Sample,
        chat: EncodedChat,
        labels: np.ndarray[Any, Any],
        length: int,
        *,
        num_truncated: int,
        lost_end: bool,
    ) -> Example:
        return Example(
            input_ids=np.asarray(chat.input_ids[:length], dtype=np.int32),
            labels=labels[:length],
            source=sample.source,
            row=sample.row,
            num_truncated=num_truncated,
            lost_end=lost_end,
            num_escaped=chat.num_escaped,
            weight=sample.weight,
            tools_as_text=not self._template.knows_tools and _uses_tools(sample),
        )


def _uses_tools(sample: Sample) -> bool:
    return bool(sample.tools) or any(turn.tool_calls or turn.role == "tool" for turn in sample.messages)


class TextEncoder:
    """Encodes raw text into blocks; each document ends with the end token and loses no token.

    Special tokens in the text are plain characters; the tokenizer's begin token, if it has one, begins
    each document.

    Args:
        tokenizer: Of the base.
        max_length: Longest block in tokens.

    Raises:
        DataError: The tokenizer has no end token, or a block would have nothing to predict.
    """

    def __init__(self, tokenizer: Any, *, max_length: int) -> None:
        if tokenizer.eos_token_id is None:
            raise DataError("the tokenizer has no end token, so documents could not be told apart")
        if max_length < 3:
            raise DataError(
                "a block of one token has nothing to predict, and not every text divides into blocks of two",
                where="data.max_length",
                cure="set it to 3 or more",
            )
        self._pieces = PieceTokenizer(tokenizer, SpecialText(tokenizer.all_special_tokens))
        self._end = int(tokenizer.eos_token_id)
        self._max_length = max_length

    def document(self, sample: Sample) -> list[int] | Rejection:
        """Return the tokens of one document, its end token last."""
        if sample.kind != "text" or sample.text is None:
            detail = f"objective pretraining needs raw text, this row is {KINDS[sample.kind]}"
            if sample.kind == "classification":
                detail += "; to train on its text alone, name the source's `schema: text`"
            return reject(sample, "not_text", detail)
        ids = self._pieces.plain_ids(sample.text, add_special_tokens=True)
        if not ids or ids[-1] != self._end:
            ids.append(self._end)
        if len(ids) < 2:
            return reject(sample, "no_labels", "the document has no token")
        return ids

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Encode one document."""
        ids = self.document(sample)
        if isinstance(ids, Rejection):
            return ids
        blocks = [ids[i : i + self._max_length] for i in range(0, len(ids), self._max_length)]
        if len(blocks[-1]) == 1:
            # A block of one token has nothing to predict; it takes a neighbour from the block before.
            blocks[-1].insert(0, blocks[-2].pop())
        arrays = [np.asarray(block, dtype=np.int32) for block in blocks]
        return [
            Example(array, array.copy(), sample.source, sample.row, weight=sample.weight) for array in arrays
        ]
