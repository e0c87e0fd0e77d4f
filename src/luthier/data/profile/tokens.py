"""Tokens: how many a text takes, how many the tokenizer does not know, how many are parts of a character."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_BROKEN = "\ufffd"
_PIECES_SHOWN = 20


@dataclass
class TokenCounts:
    """Sums over texts of a language."""

    texts: int = 0
    characters: int = 0
    tokens: int = 0
    unknown: int = 0
    fragments: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return sums and rates."""
        return {
            **vars(self),
            "tokens_per_character": self.tokens / self.characters if self.characters else 0.0,
            "unknown_share": self.unknown / self.tokens if self.tokens else 0.0,
            "fragment_share": self.fragments / self.tokens if self.tokens else 0.0,
        }


class Tokens:
    """Counts tokens by language.

    A fragment is a token that is no whole character: a byte of one, as byte-level tokenizers spell what is not in
    their vocabulary. Where they are many, the model reads spelling instead of words.

    Args:
        tokenizer: Of a base.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._is_fragment: dict[int, bool] = {}
        self._unknown_pieces: Counter[str] = Counter()
        self.by_language: dict[str, TokenCounts] = defaultdict(TokenCounts)

    def add(self, texts: Sequence[str], languages: Sequence[str]) -> list[int]:
        """Count the tokens of texts, and return how many each has."""
        encoded = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        for text, language, ids in zip(texts, languages, encoded, strict=True):
            counts = self.by_language[language]
            counts.texts += 1
            counts.characters += len(text)
            counts.tokens += len(ids)
            counts.fragments += sum(map(self._spells, ids))
            if self._tokenizer.unk_token_id is not None:
                self._note_unknown(text, ids, counts)
        return [len(ids) for ids in encoded]

    def as_json(self) -> dict[str, Any]:
        """Return the counts of all languages together and of each."""
        total = TokenCounts()
        for counts in self.by_language.values():
            for name, number in vars(counts).items():
                setattr(total, name, getattr(total, name) + number)
        largest = sorted(self.by_language.items(), key=lambda entry: -entry[1].characters)
        return {
            **total.as_json(),
            "by_language": {language: counts.as_json() for language, counts in largest},
            "unknown_pieces": dict(self._unknown_pieces.most_common(_PIECES_SHOWN)),
        }

    def _spells(self, token: int) -> bool:
        known = self._is_fragment.get(token)
        if known is None:
            known = self._is_fragment[token] = _BROKEN in self._tokenizer.decode([token])
        return known

    def _note_unknown(self, text: str, ids: Sequence[int], counts: TokenCounts) -> None:
        unknown = np.flatnonzero(np.asarray(ids) == self._tokenizer.unk_token_id)
        if not len(unknown):
            return
        counts.unknown += len(unknown)
        offsets = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        for index in unknown.tolist():
            start, end = offsets["offset_mapping"][index]
            if len(self._unknown_pieces) < 100_000 or text[start:end] in self._unknown_pieces:
                self._unknown_pieces[text[start:end]] += 1
