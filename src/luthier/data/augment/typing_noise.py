"""Typing noise: slips of the finger on a QWERTY keyboard, and wrong choices of a pinyin input method."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from luthier.data.augment.choice import altered, with_case_of
from luthier.data.augment.contract import Edits
from luthier.data.augment.function_words import is_negation
from luthier.data.augment.language import has_chinese
from luthier.data.augment.pinyin import nearly_alike, sounds_of

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_ROW_OFFSETS = (0.0, 0.25, 0.75)
_REACH = 1.2  # in widths of a key

_PLACES = {
    key: (offset + column, float(row))
    for row, (keys, offset) in enumerate(zip(_KEYS, _ROW_OFFSETS, strict=True))
    for column, key in enumerate(keys)
}
NEIGHBOURS: dict[str, list[str]] = {
    key: [
        other
        for other, (other_x, other_y) in _PLACES.items()
        if other != key and (x - other_x) ** 2 + (y - other_y) ** 2 <= _REACH**2
    ]
    for key, (x, y) in _PLACES.items()
}
"""Keys beside each letter on a staggered QWERTY keyboard."""


class TypingNoise:
    """Mistypes words, one slip each.

    Args:
        rate: Share of the words to mistype.
    """

    kind = "typing"

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate

    def edit_words(self, words: Sequence[str], is_free: Sequence[bool], random: Random) -> Edits:
        """Mistype some words."""
        places = [i for i, free in enumerate(is_free) if free]
        able = [
            i for i in places if not is_negation(words[i]) and (len(words[i]) > 1 or has_chinese(words[i]))
        ]
        return altered(words, able, len(places), self.rate, lambda word: _mistyped(word, random), random)


def _mistyped(word: str, random: Random) -> str:
    return _wrong_character(word, random) if has_chinese(word) else _slip(word, random)


def _slip(word: str, random: Random) -> str:
    """Return a word with a neighbour's key, a letter too few or too many, or two letters swapped."""
    places = [i for i, letter in enumerate(word) if letter.lower() in NEIGHBOURS]
    if not places:
        return word
    i = random.choice(places)
    slip = random.choice(("neighbour", "neighbour", "omission", "doubling", "transposition"))
    if slip == "neighbour":
        return word[:i] + with_case_of(random.choice(NEIGHBOURS[word[i].lower()]), word[i]) + word[i + 1 :]
    if slip == "omission":
        return word[:i] + word[i + 1 :]
    if slip == "doubling":
        return word[:i] + word[i] + word[i:]
    i = min(i, len(word) - 2)
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]


def _wrong_character(word: str, random: Random) -> str:
    found = {i: others for i, sound in enumerate(sounds_of(word)) if (others := nearly_alike(word[i], sound))}
    if not found:
        return word
    index = random.choice(list(found))
    changed = word[:index] + random.choice(found[index]) + word[index + 1 :]
    return word if is_negation(changed) else changed
