"""How many words an operation alters, and which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random


def choose(places: Sequence[int], num_words: int, rate: float, random: Random) -> list[int]:
    """Return some of the places, in random order: a share of all words, at least one (EDA, arXiv:1901.11196).

    Args:
        places: Of the words that the operation could alter.
        num_words: Words of the text.
        rate: Share of them to alter.
        random: Makes the choice.
    """
    return random.sample(places, min(len(places), max(1, round(rate * num_words))))


def altered(
    words: Sequence[str],
    places: Sequence[int],
    num_words: int,
    rate: float,
    alter: Callable[[str], str],
    random: Random,
) -> dict[int, tuple[str, ...]]:
    """Alter as many words as `choose` takes, passing over those that stay as they were.

    Args:
        words: All words.
        places: Of the words that may be altered.
        num_words: Words of the text.
        rate: Share of them to alter.
        alter: A word to another, or to itself where it cannot be altered.
        random: Makes the choice.
    """
    wanted = max(1, round(rate * num_words))
    edits: dict[int, tuple[str, ...]] = {}
    for place in random.sample(places, len(places)):
        if len(edits) == wanted:
            break
        if (word := alter(words[place])) != words[place]:
            edits[place] = (word,)
    return edits


def with_case_of(word: str, model: str) -> str:
    """Return a word written as another one is: in capitals, with a capital, or as it stands."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word
