"""Choose the terms that save the most tokens, counted as the tokenizer will really use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from luthier.data.vocabulary.candidates import Candidate, find_candidates
from luthier.data.vocabulary.extend import (
    Extension,
    check_extensible,
    extend_tokenizer,
    keeps_blanks,
    plain_ids,
)

_ROUNDS = 4
_CHARACTERS_READ = 5_000_000
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Term:
    """A chosen term.

    Args:
        text: As the token is written, with the blank before a word.
        frequency: How often the texts use the token, longer ones having taken their share.
        num_pieces: Tokens that the base makes of it.
    """

    text: str
    frequency: int
    num_pieces: int

    @property
    def saved(self) -> int:
        """Tokens that the texts have less."""
        return self.frequency * (self.num_pieces - 1)


def choose_terms(
    tokenizer: Any,
    texts: Sequence[str],
    *,
    max_terms: int,
    min_frequency: int = 10,
    max_words: int = 1,
    on_round: Callable[[int], None] = lambda number: None,
) -> list[Term]:
    """Return the terms whose tokens save most, most saving first.

    A term inside a longer one is used only where the longer one is not: after each round the texts are tokenized
    with the terms chosen so far, those that are used too rarely give their place to the next best.

    Args:
        tokenizer: Of the base.
        texts: The corpus; of a large one the first five million characters are read.
        max_terms: Most terms.
        min_frequency: Least uses of a term.
        max_words: Longest phrase in words, in writing with blanks.
        on_round: Told the number of each round.

    Raises:
        DataError: No token can be added to this tokenizer.
    """
    check_extensible(tokenizer)
    texts = _first_characters(texts)
    found = find_candidates(texts, min_frequency=min_frequency, max_words=max_words)
    has_blanks = keeps_blanks(tokenizer)
    ranked = _ranked(tokenizer, found if has_blanks else _without_blanks(found))
    rejected: set[str] = set()
    chosen: list[Term] = []
    for number in range(_ROUNDS):
        on_round(number + 1)
        pool = [term for term in ranked if term.text not in rejected][:max_terms]
        used = count_uses(extend_tokenizer(tokenizer, [term.text for term in pool]), texts)
        chosen = [Term(t.text, used.get(t.text, 0), t.num_pieces) for t in pool]
        rare = {term.text for term in chosen if term.frequency < min_frequency}
        rejected |= rare
        if not rare:
            break
    kept = [term for term in chosen if term.frequency >= min_frequency]
    return sorted(kept, key=lambda term: (-term.saved, term.text))


def count_uses(extension: Extension, texts: Sequence[str]) -> dict[str, int]:
    """Return how often texts use each new token; those never used are absent."""
    backend = extension.tokenizer.backend_tokenizer
    counts = np.zeros(0, dtype=np.int64)
    for start in range(0, len(texts), _BATCH):
        encoded = backend.encode_batch(list(texts[start : start + _BATCH]), add_special_tokens=False)
        ids = np.concatenate([np.asarray(e.ids, dtype=np.int64) for e in encoded])
        own = np.bincount(ids, minlength=len(counts))
        own[: len(counts)] += counts
        counts = own
    ids_of = zip(extension.added, extension.sources, strict=True)
    return {text: int(counts[i]) for text, i in ids_of if i < len(counts) and counts[i]}


def _ranked(tokenizer: Any, candidates: Sequence[Candidate]) -> list[Term]:
    """Return the candidates that the base cuts into several pieces, by what they may save."""
    terms = (Term(c.text, c.frequency, len(plain_ids(tokenizer, c.text))) for c in candidates)
    return sorted((t for t in terms if t.num_pieces > 1), key=lambda t: (-t.saved, t.text))


def _without_blanks(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Join the forms with and without a blank, for tokenizers that drop blanks."""
    counts: dict[str, int] = {}
    for candidate in candidates:
        text = candidate.text.strip()
        counts[text] = counts.get(text, 0) + candidate.frequency
    return [Candidate(text, number) for text, number in counts.items()]


def _first_characters(texts: Sequence[str]) -> list[str]:
    kept, total = [], 0
    for text in texts:
        if total >= _CHARACTERS_READ:
            break
        kept.append(text)
        total += len(text)
    return kept
