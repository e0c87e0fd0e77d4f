"""Synonym replacement: content words become words of nearly the same meaning (EDA, arXiv:1901.11196)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from luthier.data.augment.choice import choose, with_case_of
from luthier.data.augment.contract import Edits
from luthier.data.augment.thesaurus import Thesaurus


class Synonyms:
    """Replaces content words by synonyms.

    Args:
        thesaurus: Where synonyms come from.
        rate: Share of the words to replace.
    """

    kind = "synonyms"

    def __init__(self, thesaurus: Thesaurus, rate: float = 0.1) -> None:
        self.thesaurus = thesaurus
        self.rate = rate

    def edit_words(self, words: Sequence[str], is_free: Sequence[bool], random: Random) -> Edits:
        """Replace some words."""
        candidates = self.thesaurus.candidates(words, is_free)
        chosen = choose(list(candidates), sum(is_free), self.rate, random)
        return {i: (with_case_of(random.choice(candidates[i]), words[i]),) for i in chosen}
