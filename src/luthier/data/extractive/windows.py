"""Windows over a context: the question with as much of the context as fits, again and again, with an overlap.

Reference: J. Devlin et al., BERT, 2019, section 4.2; the layout of windows, the tokens at their borders and the
meaning of ``doc_stride`` are those of Hugging Face's question-answering example, which the tests compare.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from luthier.core.errors import DataError

Offsets = tuple[int, int]
"""The characters of the context that a token covers: the first, and the one after the last."""


@dataclass(frozen=True)
class Window:
    """A question and a run of its context's tokens, as the model sees them.

    Args:
        input_ids: With the tokenizer's own marks.
        type_ids: 1 on the context and the mark behind it for tokenizers that number the parts of a pair, else 0.
        first_token: Where the context's run begins in ``input_ids``.
        offsets: The characters that each token of the run covers.
        skipped: Tokens of the context before the run.
        null_token: The token that stands for "no answer": the first, such as [CLS]; the last where there is none.
    """

    input_ids: list[int]
    type_ids: list[int]
    first_token: int
    offsets: list[Offsets]
    skipped: int
    null_token: int


class NoRoomError(DataError):
    """A question that leaves too little room for its context, or a part without any token."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class _Frame(NamedTuple):
    """What a tokenizer puts around and between two texts, with the type ids of each part."""

    before: list[int]
    between: list[int]
    after: list[int]
    types: tuple[int, int, int, int, int]


class PairTokenizer:
    """Cuts a context into windows that each follow the question.

    A tokenizer that has no marks for pairs, as those of decoders, gets a line break between question and context,
    and its end token behind them. Special tokens that stand in the texts are plain characters.

    Args:
        tokenizer: Of the base.
        max_length: Longest window in tokens.
        doc_stride: Tokens that a window shares with the one before it.

    Raises:
        DataError: The tokenizer is none of the fast ones, or has neither pair marks nor an end token.
    """

    def __init__(self, tokenizer: Any, *, max_length: int, doc_stride: int) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise DataError(
                "the tokenizer is a slow one, which does not tell the characters of its tokens",
                cure="save the base with its tokenizer.json",
            )
        self._backend = copy.deepcopy(tokenizer.backend_tokenizer)
        self._backend.no_padding()
        self._backend.no_truncation()
        self._backend.encode_special_tokens = True
        self._max_length = max_length
        self._doc_stride = doc_stride
        self._frame = self._frame_of(tokenizer)
        self._has_first_mark = (
            tokenizer.cls_token_id is not None and tokenizer.cls_token_id in self._frame.before
        )

    def __call__(self, question: str, context: str) -> list[Window]:
        """Return the windows of a question and its context.

        Raises:
            NoRoomError: The question leaves no room, or one of the two has no token.
        """
        asked = self._backend.encode(question.strip(), add_special_tokens=False).ids
        encoded = self._backend.encode(context, add_special_tokens=False)
        for name, ids in (("question", asked), ("context", encoded.ids)):
            if not ids:
                raise NoRoomError(f"empty_{name}", f"the {name} has no token")
        head = [*self._frame.before, *asked, *self._frame.between]
        room = self._max_length - len(head) - len(self._frame.after)
        step = room - self._doc_stride
        if room < len(encoded.ids) and step < 1:
            raise NoRoomError(
                "question_too_long",
                f"the question has {len(asked)} tokens, so data.max_length {self._max_length} leaves {max(room, 0)} "
                f"for the context of {len(encoded.ids)}; more than objective.doc_stride {self._doc_stride} are needed",
            )
        before, first, middle, second, after = self._frame.types
        head_types = (
            [before] * len(self._frame.before) + [first] * len(asked) + [middle] * len(self._frame.between)
        )
        windows = []
        for skipped in range(0, len(encoded.ids), max(step, 1)):
            run = encoded.ids[skipped : skipped + room]
            ids = [*head, *run, *self._frame.after]
            types = [*head_types, *[second] * len(run), *[after] * len(self._frame.after)]
            offsets = encoded.offsets[skipped : skipped + room]
            null_token = 0 if self._has_first_mark else len(ids) - 1
            windows.append(Window(ids, types, len(head), offsets, skipped, null_token))
            if skipped + room >= len(encoded.ids):
                break
        return windows

    def _frame_of(self, tokenizer: Any) -> _Frame:
        first, second = (self._backend.encode(text, add_special_tokens=False).ids for text in ("a", "b"))
        pair = self._backend.encode("a", "b")
        at = _find(pair.ids, first, 0)
        then = _find(pair.ids, second, at + len(first))
        before, between, after = (
            pair.ids[:at],
            pair.ids[at + len(first) : then],
            pair.ids[then + len(second) :],
        )
        if between:
            kinds = pair.type_ids
            types = (kinds[0], kinds[at], kinds[at + len(first)], kinds[then], kinds[-1])
            return _Frame(before, between, after, types)
        if tokenizer.eos_token_id is None:
            raise DataError("the tokenizer has neither marks for pairs of texts nor an end token")
        line_break = self._backend.encode("\n", add_special_tokens=False).ids
        return _Frame(before, line_break, after or [int(tokenizer.eos_token_id)], (0, 0, 0, 0, 0))


def _find(ids: Sequence[int], part: Sequence[int], start: int) -> int:
    return next(n for n in range(start, len(ids)) if list(ids[n : n + len(part)]) == list(part))


def whole_offsets(windows: Sequence[Window]) -> list[Offsets]:
    """Return the characters that each token of a context covers, from all of its windows."""
    offsets: list[Offsets] = []
    for window in windows:
        offsets[window.skipped :] = window.offsets
    return offsets


def tokens_of_span(offsets: Sequence[Offsets], start: int, end: int) -> Offsets | None:
    """Return the first and the last token that cover characters of a span; None where no token does.

    Args:
        offsets: Characters that each token covers.
        start: First character.
        end: The character after the last.
    """
    covering = [
        n for n, (first, after) in enumerate(offsets) if first < end and after > start and after > first
    ]
    return (covering[0], covering[-1]) if covering else None


def positions_in(window: Window, span: Offsets | None) -> Offsets:
    """Return the tokens of a window between which an answer stands, its null token twice where it does not.

    An answer that is cut by the window's border does not stand in it.

    Args:
        window: Of the context.
        span: First and last token of the answer among all tokens of the context; None for a question without answer.
    """
    if span is None:
        return window.null_token, window.null_token
    first, last = (token - window.skipped for token in span)
    if first < 0 or last >= len(window.offsets):
        return window.null_token, window.null_token
    return window.first_token + first, window.first_token + last
