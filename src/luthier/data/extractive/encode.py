"""From a question, its context and answers to examples with the start and end of the answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from luthier.core.errors import DataError
from luthier.data.encode import KINDS, TooLong, reject
from luthier.data.example import Example, Rejection
from luthier.data.extractive.windows import (
    NoRoomError,
    Offsets,
    PairTokenizer,
    Window,
    positions_in,
    tokens_of_span,
    whole_offsets,
)
from luthier.data.sample import Sample


class SpanEncoder:
    """Encodes questions with their contexts; a long context makes several examples, one per window.

    The first answer of a row is trained. A window in which it does not stand whole is trained to say that there is
    none, as in BERT's fine-tuning.

    Args:
        tokenizer: Of the base.
        doc_stride: Tokens that two windows have in common.
        may_be_none: Whether rows may have no answer.
        max_length: Longest example in tokens.
        too_long: ``truncate`` makes windows of longer contexts; see the recipe's ``data.too_long``.
    """

    def __init__(
        self, tokenizer: Any, *, doc_stride: int, may_be_none: bool, max_length: int, too_long: TooLong
    ) -> None:
        self.pairs = PairTokenizer(tokenizer, max_length=max_length, doc_stride=doc_stride)
        self._may_be_none = may_be_none
        self._max_length = max_length
        self._too_long = too_long

    def windows(self, sample: Sample) -> list[Window]:
        """Return the windows of a row that could be encoded."""
        assert sample.question is not None and sample.context is not None
        return self.pairs(sample.question, sample.context)

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Encode one row.

        Raises:
            DataError: The context needs several windows and the recipe says ``too_long: error``.
        """
        if sample.question is None or sample.context is None:
            detail = f"objective question_answering needs a question with its context, this row is {KINDS[sample.kind]}"
            return reject(sample, "not_question_answering", detail)
        if not sample.answers and not self._may_be_none:
            detail = "the row has no answer; objective.version_2_with_negative: true trains on such rows"
            return reject(sample, "no_answer", detail)
        try:
            windows = self.windows(sample)
        except NoRoomError as error:
            return reject(sample, error.reason, error.problem)
        if len(windows) > 1 and self._too_long != "truncate":
            detail = f"the context needs {len(windows)} windows of data.max_length, {self._max_length} tokens"
            if self._too_long == "drop":
                return reject(sample, "too_long", detail)
            cure = "raise data.max_length, or set data.too_long: truncate (reads all windows) or drop"
            raise DataError(detail, where=sample.place, cure=cure)
        found = _span(sample, whole_offsets(windows))
        if isinstance(found, Rejection):
            return found
        return [self._example(sample, window, found) for window in windows]

    @staticmethod
    def _example(sample: Sample, window: Window, span: Offsets | None) -> Example:
        types = np.asarray(window.type_ids, dtype=np.int32)
        return Example(
            np.asarray(window.input_ids, dtype=np.int32),
            np.asarray(positions_in(window, span), dtype=np.int32),
            sample.source,
            sample.row,
            weight=sample.weight,
            target="row",
            token_type_ids=types if types.any() else None,
            task=sample.task,
        )


def _span(sample: Sample, offsets: list[Offsets]) -> Offsets | Rejection | None:
    """Return the tokens of the first answer among those of the context; None for a row without answer."""
    if not sample.answers:
        return None
    answer = sample.answers[0]
    if not str(sample.context).startswith(answer.text, answer.start):
        detail = f"answer {answer.text[:60]!r} does not stand at character {answer.start} of the context"
        return reject(sample, "answer_at_other_offset", detail)
    span = tokens_of_span(offsets, answer.start, answer.start + len(answer.text))
    if span is None:
        return reject(
            sample, "answer_without_token", f"the tokenizer makes no token of answer {answer.text[:60]!r}"
        )
    return span
