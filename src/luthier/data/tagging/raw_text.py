"""Running text to words, as tagged corpora divide it: punctuation stands alone, and so does each Chinese character."""

from __future__ import annotations

import re
from typing import NamedTuple

from luthier.data.augment.language import HAN

_WORD = re.compile(
    rf"[{HAN}]"
    rf"|https?://[^\s{HAN}]+|[@#]\w+"
    r"|'(?:s|m|d|ll|re|ve|t)\b"
    rf"|[^\W{HAN}]+(?:[-.&][^\W{HAN}]+)*"
    r"|\S",
    re.IGNORECASE,
)


class Word(NamedTuple):
    """A word of a text.

    Args:
        text: Its characters.
        start: Where it begins in the text.
        end: The character after its last.
    """

    text: str
    start: int
    end: int


def words_of_text(text: str) -> list[Word]:
    """Return the words of a text; only blanks are left out."""
    return [Word(found.group(), found.start(), found.end()) for found in _WORD.finditer(text)]
