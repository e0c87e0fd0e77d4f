"""Regular English inflection: endings taken off a word, and put on another one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Ending = Literal["", "s", "ed", "ing"]

_SIBILANT = re.compile(r"(?:s|x|z|ch|sh)$")
_CONSONANT_Y = re.compile(r"[^aeiou]y$")
_ONE_SYLLABLE_CVC = re.compile(r"^[^aeiou]*[aeiou][bcdfgklmnprtvz]$")
_DOUBLED = re.compile(r"([bdgklmnprt])\1$")


def analyses(word: str) -> Iterator[tuple[str, Ending]]:
    """Yield what a word may be an inflection of; first the word itself.

    Args:
        word: In lower case.
    """
    yield word, ""
    if len(word) < 4:
        return
    if word.endswith("s") and not word.endswith("ss"):
        yield word[:-1], "s"
        if word.endswith("ies"):
            yield f"{word[:-3]}y", "s"
        elif word.endswith("es"):
            yield word[:-2], "s"
    endings: tuple[Ending, ...] = ("ed", "ing")
    for ending in endings:
        stem = word.removesuffix(ending)
        if stem == word or not re.search("[aeiouy]", stem):
            continue
        yield stem, ending
        yield f"{stem}e", ending
        if _DOUBLED.search(stem):
            yield stem[:-1], ending
        if ending == "ed" and stem.endswith("i"):
            yield f"{stem[:-1]}y", ending


def inflect(word: str, ending: Ending) -> str:
    """Return a word with a regular ending."""
    if not ending:
        return word
    if ending == "s":
        if _CONSONANT_Y.search(word):
            return f"{word[:-1]}ies"
        return f"{word}es" if _SIBILANT.search(word) else f"{word}s"
    if ending == "ed" and _CONSONANT_Y.search(word):
        return f"{word[:-1]}ied"
    if ending == "ing" and word.endswith("ie"):
        return f"{word[:-2]}ying"
    if word.endswith("e") and not (ending == "ing" and word.endswith(("ee", "oe", "ye"))):
        word = word[:-1]
    elif _ONE_SYLLABLE_CVC.match(word):
        word += word[-1]
    return word + ending
