"""Random swap: two words change places (EDA, arXiv:1901.11196)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from luthier.data.augment.contract import Edits
from luthier.data.augment.function_words import is_negation


class Swap:
    """Swaps pairs of different words, but no negation.

    Args:
        rate: Pairs to swap, as a share of the words.
    """

    kind = "swap"

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate

    def edit_words(self, words: Sequence[str], is_free: Sequence[bool], random: Random) -> Edits:
        """Swap some words."""
        num_words = sum(is_free)
        places = [i for i, free in enumerate(is_free) if free and not is_negation(words[i])]
        random.shuffle(places)
        edits: dict[int, tuple[str, ...]] = {}
        wanted = max(1, round(self.rate * num_words))
        while places and len(edits) < 2 * wanted:
            first = places.pop()
            second = next((i for i in places if words[i].lower() != words[first].lower()), None)
            if second is None:
                break
            places.remove(second)
            edits |= {first: (words[second],), second: (words[first],)}
        return edits
