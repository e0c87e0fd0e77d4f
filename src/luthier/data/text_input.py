"""One text or two as the input of a task's head: the tokenizer's own form, special tokens in the text as characters."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TextInput:
    """Tokens of a text, or of a pair.

    Args:
        input_ids: int32, shape [T].
        token_type_ids: 1 on the second text where the tokenizer tells the two apart, int32, shape [T]; else None.
        num_truncated: Tokens that were cut off.
        num_escaped: Special tokens that stood in the texts and were encoded as plain characters.
    """

    input_ids: NDArray[np.int32]
    token_type_ids: NDArray[np.int32] | None
    num_truncated: int
    num_escaped: int


class TextInputs:
    """Tokenizes texts for a head, e.g. ``[CLS] first [SEP] second [SEP]``.

    A tokenizer without a separator, as decoders have, puts a line break between two texts. What is too long is cut at
    the end of the longer text, and the tokenizer's own begin and end tokens stay.

    Args:
        tokenizer: Of the base.
        max_length: Longest input in tokens.
    """

    def __init__(self, tokenizer: Any, *, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._special = sorted(
            {token for token in tokenizer.all_special_tokens if token}, key=len, reverse=True
        )
        self._joins_pairs = tokenizer.sep_token_id is None
        self._whole = self._cut = None
        if getattr(tokenizer, "is_fast", False):
            self._whole = copy.deepcopy(tokenizer.backend_tokenizer)
            self._whole.no_padding()
            self._whole.no_truncation()
            self._whole.encode_special_tokens = True
            self._cut = copy.deepcopy(self._whole)
            self._cut.enable_truncation(max_length, strategy="longest_first")

    def __call__(self, text: str, text_pair: str | None = None) -> TextInput:
        """Return the tokens of a text, or of a pair, at most ``max_length``."""
        escaped = sum(part.count(token) for part in (text, text_pair or "") for token in self._special)
        if text_pair is not None and self._joins_pairs:
            text, text_pair = f"{text}\n{text_pair}", None
        ids, types = self._encode(text, text_pair, is_cut=False)
        length = len(ids)
        if length > self._max_length:
            ids, types = self._encode(text, text_pair, is_cut=True)
        segments = np.asarray(types, dtype=np.int32) if any(types) else None
        return TextInput(np.asarray(ids, dtype=np.int32), segments, length - len(ids), escaped)

    def _encode(self, text: str, pair: str | None, *, is_cut: bool) -> tuple[list[int], list[int]]:
        backend = self._cut if is_cut else self._whole
        if backend is not None:
            encoded = backend.encode(text, pair)
            return list(encoded.ids), list(encoded.type_ids)
        options = {"truncation": "longest_first", "max_length": self._max_length} if is_cut else {}
        slow = self._tokenizer(text, pair, split_special_tokens=True, **options)
        return list(slow["input_ids"]), list(slow.get("token_type_ids", ()))
