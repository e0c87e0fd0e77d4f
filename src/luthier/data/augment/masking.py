"""Random masking: some words are replaced by one mark."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from luthier.data.augment.choice import choose
from luthier.data.augment.contract import Edits
from luthier.data.augment.function_words import is_negation


class Masking:
    """Masks words, but no negation.

    Args:
        rate: Share of the words to mask.
        mask: The mark.
    """

    kind = "masking"

    def __init__(self, rate: float = 0.1, mask: str = "[MASK]") -> None:
        self.rate = rate
        self.mask = mask

    def edit_words(self, words: Sequence[str], is_free: Sequence[bool], random: Random) -> Edits:
        """Mask some words."""
        places = [i for i, free in enumerate(is_free) if free]
        masked = choose([i for i in places if not is_negation(words[i])], len(places), self.rate, random)
        return {index: (self.mask,) for index in masked}
