"""What an augmentation is: an operation on words, which keeps labels aligned, or on whole texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

Edits = Mapping[int, tuple[str, ...]]
"""Position of a word, and the words that stand there afterwards; none at all where it is deleted."""


@runtime_checkable
class WordOperation(Protocol):
    """Alters single words, so that the others, and what is said of them, stay where they are."""

    kind: str

    def edit_words(self, words: Sequence[str], is_free: Sequence[bool], random: Random) -> Edits:
        """Return what becomes of some words.

        Args:
            words: In order; segmented where the language writes no spaces.
            is_free: Which of them may be altered.
            random: Makes every choice.
        """
        ...


@runtime_checkable
class TextOperation(Protocol):
    """Rewrites whole texts."""

    kind: str
    is_random: bool
    """Whether another attempt at the same text may end differently."""
    is_once_per_row: bool
    """Whether only the first of a row's texts is rewritten."""

    def rewrite(self, texts: Sequence[str], randoms: Sequence[Random]) -> Sequence[str]:
        """Return as many texts, in the same order; an unchanged one says that nothing could be done.

        Args:
            texts: Of rows that were chosen.
            randoms: Makes every choice for the text at the same place.
        """
        ...


Operation = WordOperation | TextOperation

Embed = Callable[[Sequence[str]], NDArray[Any]]
"""Texts to vectors of unit length, [N, D]."""

Write = Callable[[Sequence[str], Sequence[int]], Sequence[str]]
"""A language model: prompts and a seed for each in, as many answers out."""


class Translator(Protocol):
    """Translates texts."""

    def translate(self, texts: Sequence[str], source: str, target: str, seeds: Sequence[int]) -> list[str]:
        """Return as many translations, in the same order.

        Args:
            texts: In the source language.
            source: ISO 639-3 code, e.g. ``eng``.
            target: ISO 639-3 code, e.g. ``spa``.
            seeds: Of engines that choose their words by chance, one for each text.

        Raises:
            DataError: The engine does not know the pair, or failed.
        """
        ...
