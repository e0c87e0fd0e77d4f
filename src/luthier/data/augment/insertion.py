"""Random insertion: a synonym of one word is inserted beside another (EDA, arXiv:1901.11196)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from luthier.data.augment.choice import choose
from luthier.data.augment.contract import Edits
from luthier.data.augment.thesaurus import Thesaurus


class Insertion:
    """Inserts synonyms of content words beside other words: EDA's random insertion.

    Args:
        thesaurus: Where synonyms come from.
        rate: Words to insert, as a share of the words.
    """

    kind = "insertion"

    def __init__(self, thesaurus: Thesaurus, rate: float = 0.1) -> None:
        self.thesaurus = thesaurus
        self.rate = rate

    def edit_words(self, words: Sequence[str], is_free: Sequence[bool], random: Random) -> Edits:
        """Insert some words."""
        candidates = self.thesaurus.candidates(words, is_free)
        places = [i for i, free in enumerate(is_free) if free]
        edits: dict[int, tuple[str, ...]] = {}
        for source in choose(list(candidates), len(places), self.rate, random):
            beside = random.choice(places)
            edits[beside] = (*edits.get(beside, (words[beside],)), random.choice(candidates[source]))
        return edits
