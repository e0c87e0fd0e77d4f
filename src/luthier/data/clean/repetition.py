"""Repetition rules of Gopher (Rae et al. 2021, arXiv:2112.11446, table A1) for lines, paragraphs and n-grams.

Chinese has about two characters a word, so where most units are characters an n-gram has twice as many
of them: the thresholds then mean the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from luthier.data.clean.units import is_unspaced, units_of

MAX_DUPLICATE_LINES = 0.30
MAX_DUPLICATE_PARAGRAPHS = 0.30
MAX_CHARACTERS_IN_DUPLICATE_LINES = 0.20
MAX_CHARACTERS_IN_DUPLICATE_PARAGRAPHS = 0.20
MAX_TOP_NGRAM = {2: 0.20, 3: 0.18, 4: 0.16}
MAX_DUPLICATE_NGRAMS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}

MIN_WORDS = 50
"""Shorter texts are not judged by n-grams, as in Gopher: in "thank you, thank you" one pair is everything."""


def repetition_fault(text: str) -> str | None:
    """Return what repeats too much in a text, or None."""
    units = units_of(text)
    for name, divide, most_pieces, most_characters in (
        ("lines", "\n", MAX_DUPLICATE_LINES, MAX_CHARACTERS_IN_DUPLICATE_LINES),
        ("paragraphs", "\n\n", MAX_DUPLICATE_PARAGRAPHS, MAX_CHARACTERS_IN_DUPLICATE_PARAGRAPHS),
    ):
        pieces = [piece.strip() for piece in text.split(divide) if piece.strip()]
        share, characters = duplicate_shares(pieces)
        if share > most_pieces:
            return f"{share:.0%} of its {name} are repeated, at most {most_pieces:.0%} is usual"
        if characters > most_characters:
            return f"{characters:.0%} of it are repeated {name}, at most {most_characters:.0%} is usual"
    scale = 2 if is_unspaced(units) else 1
    return _ngram_fault(units, scale) if len(units) >= MIN_WORDS * scale else None


def duplicate_shares(pieces: Sequence[str]) -> tuple[float, float]:
    """Return the share of pieces that stand earlier in the text, and their share of the characters."""
    if not pieces:
        return 0.0, 0.0
    seen: set[str] = set()
    repeated = [piece for piece in pieces if piece in seen or seen.add(piece)]  # type: ignore[func-returns-value]
    return len(repeated) / len(pieces), sum(map(len, repeated)) / sum(map(len, pieces))


def _ngram_fault(units: list[str], scale: int) -> str | None:
    kind = "characters" if scale == 2 else "words"
    rules: tuple[tuple[dict[int, float], Callable[[list[str], int], float], str], ...] = (
        (MAX_TOP_NGRAM, top_ngram_share, "one run"),
        (MAX_DUPLICATE_NGRAMS, duplicate_ngram_share, "repeated runs"),
    )
    for limits, share_of, what in rules:
        for size, most in limits.items():
            if (share := share_of(units, size * scale)) > most:
                return f"{share:.0%} of it are {what} of {size * scale} {kind}, at most {most:.0%} is usual"
    return None


def top_ngram_share(units: list[str], size: int) -> float:
    """Return the share of characters in the n-gram that occurs most often, if it occurs twice."""
    counts = Counter(zip(*(units[start:] for start in range(size)), strict=False))
    if not counts:
        return 0.0
    most = max(counts.values())
    if most < 2:
        return 0.0
    longest = max(sum(map(len, ngram)) for ngram, count in counts.items() if count == most)
    return longest * most / sum(map(len, units))


def duplicate_ngram_share(units: list[str], size: int) -> float:
    """Return the share of characters in n-grams that stand earlier in the text; none counts twice."""
    seen: set[tuple[str, ...]] = set()
    covered = 0
    num_characters = 0
    for start in range(len(units) - size + 1):
        ngram = tuple(units[start : start + size])
        if ngram in seen:
            begin = max(start, covered)
            num_characters += sum(map(len, units[begin : start + size]))
            covered = start + size
        else:
            seen.add(ngram)
    return num_characters / sum(map(len, units)) if units else 0.0
