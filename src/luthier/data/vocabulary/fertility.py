"""Fertility: how many tokens a tokenizer makes of a word and of a character."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from luthier.data.clean.units import units_of


@dataclass(frozen=True)
class Fertility:
    """Tokens of a text beside its words and characters.

    Args:
        tokens: Without begin and end tokens.
        words: Words; in writing without blanks each character is one.
        characters: All of them.
    """

    tokens: int
    words: int
    characters: int

    @property
    def per_word(self) -> float:
        """Tokens a word; 0 without words. 1 is the best that whole words allow."""
        return self.tokens / self.words if self.words else 0.0

    @property
    def per_character(self) -> float:
        """Tokens a character; 0 without characters."""
        return self.tokens / self.characters if self.characters else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the counts and both rates."""
        return {**vars(self), "tokens_per_word": self.per_word, "tokens_per_character": self.per_character}


def measure_fertility(tokenizer: Any, texts: Iterable[str]) -> Fertility:
    """Return the fertility of a tokenizer on texts.

    Args:
        tokenizer: From `luthier.data.tokenizer.load_tokenizer`.
        texts: Any texts; special tokens in them are plain characters, as in training.

    Reference:
        Fertility as in Rust et al., "How Good is Your Tokenizer?", ACL 2021, section 3.
    """
    from luthier.data.pieces import PieceTokenizer
    from luthier.data.special_text import SpecialText

    pieces = PieceTokenizer(tokenizer, SpecialText(tokenizer.all_special_tokens))
    tokens = words = characters = 0
    for text in texts:
        tokens += len(pieces.plain_ids(text))
        words += len(units_of(text))
        characters += len(text)
    return Fertility(tokens, words, characters)
