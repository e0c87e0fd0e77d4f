"""The thesaurus: English and Chinese synonyms, each loaded when a text of that language is met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from luthier.data.augment.function_words import is_content
from luthier.data.augment.language import has_chinese

SynonymsOf = Callable[[str], Sequence[str]]
"""A word to its synonyms, none where it has none."""


class Thesaurus:
    """English and Chinese synonyms, each loaded when a text of that language is met.

    Args:
        load_english: Returns the English lookup.
        load_chinese: Returns the Chinese lookup.
    """

    def __init__(
        self, load_english: Callable[[], SynonymsOf], load_chinese: Callable[[], SynonymsOf]
    ) -> None:
        self._load = {False: load_english, True: load_chinese}
        self._loaded: dict[bool, SynonymsOf] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_load": self._load, "_loaded": {}}  # files are opened anew in another process

    def synonyms(self, words: Sequence[str], index: int, *, is_chinese_text: bool) -> Sequence[str]:
        """Return the synonyms of a word; a foreign word in a text is not worth loading its language for."""
        word = words[index]
        is_chinese_word = has_chinese(word)
        if is_chinese_word not in self._loaded:
            if is_chinese_word != is_chinese_text:
                return ()
            self._loaded[is_chinese_word] = self._load[is_chinese_word]()
        return self._loaded[is_chinese_word](word)

    def candidates(self, words: Sequence[str], is_free: Sequence[bool]) -> dict[int, Sequence[str]]:
        """Return the places of words that have synonyms, and those."""
        places = [i for i, free in enumerate(is_free) if free]
        is_chinese_text = 2 * sum(has_chinese(words[i]) for i in places) > len(places)
        found = {
            i: self.synonyms(words, i, is_chinese_text=is_chinese_text)
            for i in places
            if is_content(words[i])
        }
        return {i: synonyms for i, synonyms in found.items() if synonyms}
