"""Tokenize a rendered text in pieces, so that a prompt has the same tokens whether or not an answer follows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from luthier.data.special_text import SpecialText


class PieceTokenizer:
    """Tokenizes texts without adding begin or end tokens.

    It works on copies of the tokenizer's back end: padding, truncation and other settings that callers
    of the tokenizer change, also from other threads, do not reach it.

    Args:
        tokenizer: Of the base.
        special: Its special tokens.
    """

    def __init__(self, tokenizer: Any, special: SpecialText) -> None:
        self._tokenizer = tokenizer
        self._special = special
        self._reads_marks = self._plain = None
        if getattr(tokenizer, "is_fast", False):
            self._reads_marks = copy.deepcopy(tokenizer.backend_tokenizer)
            self._reads_marks.no_padding()
            self._reads_marks.no_truncation()
            self._plain = copy.deepcopy(self._reads_marks)
            self._plain.encode_special_tokens = True
            self._reads_marks.encode_special_tokens = False
        # Some tokenizers put a space before every text: their pieces do not join to the whole.
        self.joins_pieces = self._decoded(self.ids("one\n") + self.ids("two")) == "one\ntwo"

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a text; special tokens in it are read as such."""
        if not text:
            return []
        if self._reads_marks is not None:
            return list(self._reads_marks.encode(text, add_special_tokens=False).ids)
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def plain_ids(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        """Return the tokens of a text in which special tokens are plain characters.

        Args:
            text: Any text.
            add_special_tokens: Let the tokenizer put its own begin and end tokens around it.
        """
        if self._plain is not None:
            return list(self._plain.encode(text, add_special_tokens=add_special_tokens).ids)
        encoded = self._tokenizer(text, add_special_tokens=add_special_tokens, split_special_tokens=True)
        return list(encoded["input_ids"])

    def ids_with_stand_ins(self, text: str) -> list[int]:
        """Return the tokens of a rendered text; its stand-ins become plain characters."""
        ids: list[int] = []
        for is_plain, piece in self._special.split(text):
            ids += self.plain_ids(piece) if is_plain else self.ids(piece)
        return ids

    def ids_and_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]] | None:
        """Return the tokens of a text with the characters that each covers; None where that is unknown."""
        if self._reads_marks is None:
            return None
        encoded = self._reads_marks.encode(text, add_special_tokens=False)
        return list(encoded.ids), list(encoded.offsets)

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids, clean_up_tokenization_spaces=False))
