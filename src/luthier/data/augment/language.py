"""English or Chinese: which of the two a text or word is written in."""

from __future__ import annotations

import re

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters, as the inside of a regular expression's brackets."""

_HAN = re.compile(f"[{HAN}]")
_LETTER_RUNS = re.compile(r"[^\W\d_]+")
_ENGLISH_LETTERS_A_CHARACTER = 3


def has_chinese(text: str) -> bool:
    """Return whether a Chinese character stands in a text."""
    return _HAN.search(text) is not None


def is_chinese(text: str) -> bool:
    """Return whether most of a text is Chinese; a Chinese character weighs as much as three Latin letters."""
    num_letters = sum(map(len, _LETTER_RUNS.findall(text)))
    num_chinese = len(_HAN.findall(text))
    return num_chinese * _ENGLISH_LETTERS_A_CHARACTER > num_letters - num_chinese
