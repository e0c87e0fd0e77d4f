"""Random deletion: some words are left out (EDA, arXiv:1901.11196)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from luthier.data.augment.choice import choose
from luthier.data.augment.contract import Edits
from luthier.data.augment.function_words import is_negation


class Deletion:
    """Deletes words, but no negation and never the last word.

    Args:
        rate: Share of the words to delete.
    """

    kind = "deletion"

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate

    def edit_words(self, words: Sequence[str], is_free: Sequence[bool], random: Random) -> Edits:
        """Delete some words."""
        places = [i for i, free in enumerate(is_free) if free]
        deleted = choose([i for i in places if not is_negation(words[i])], len(places), self.rate, random)
        return {index: () for index in deleted[: len(places) - 1]}
