"""Rules that tell running text from the rest of the web, as C4 and Gopher were made with.

References: C4, Raffel et al. 2020, arXiv:1910.10683, section 2.2; Gopher, Rae et al. 2021,
arXiv:2112.11446, appendix A.1.1. What Gopher says of word length and English stop words is asked of text
with blanks between words only.
"""

from __future__ import annotations

import re

from luthier.data.clean.units import is_unspaced, units_of

MIN_SENTENCES = 5
MIN_WORDS, MAX_WORDS = 50, 100_000
MIN_MEAN_WORD_LENGTH, MAX_MEAN_WORD_LENGTH = 3, 10
MAX_SYMBOLS_TO_WORDS = 0.1
MAX_BULLET_LINES = 0.9
MAX_ELLIPSIS_LINES = 0.3
MIN_WORDS_WITH_LETTERS = 0.8
MIN_STOP_WORDS = 2

_STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"'”’)]|\Z)|[。！？…]+")
_ELLIPSIS = re.compile(r"\.\.\.|…+")
_BULLET = re.compile(r"[-*•·●‣▪◦]")


def c4_fault(text: str) -> str | None:
    """Return why C4 would have left a page out, or None."""
    if "lorem ipsum" in text.lower():
        return "it holds the filler text `lorem ipsum`"
    if "{" in text:
        return "it holds a curly bracket, as code does"
    num_sentences = len(_SENTENCE_END.findall(text))
    if num_sentences < MIN_SENTENCES:
        return f"it has {num_sentences} sentences, at least {MIN_SENTENCES} are usual"
    return None


def gopher_fault(text: str) -> str | None:
    """Return why Gopher's quality rules would have left a document out, or None."""
    words = units_of(text)
    if not MIN_WORDS <= len(words) <= MAX_WORDS:
        return f"it has {len(words):,} words, {MIN_WORDS} to {MAX_WORDS:,} are usual"
    symbols = (text.count("#") + len(_ELLIPSIS.findall(text))) / len(words)
    if symbols > MAX_SYMBOLS_TO_WORDS:
        return (
            f"it has {symbols:.2f} number signs and ellipses a word, at most {MAX_SYMBOLS_TO_WORDS} are usual"
        )
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    bullets = sum(bool(_BULLET.match(line)) for line in lines) / len(lines)
    if bullets > MAX_BULLET_LINES:
        return f"{bullets:.0%} of its lines begin with a bullet, at most {MAX_BULLET_LINES:.0%} is usual"
    ellipses = sum(line.endswith(("...", "…")) for line in lines) / len(lines)
    if ellipses > MAX_ELLIPSIS_LINES:
        return f"{ellipses:.0%} of its lines end with an ellipsis, at most {MAX_ELLIPSIS_LINES:.0%} is usual"
    with_letters = sum(any(map(str.isalpha, word)) for word in words) / len(words)
    if with_letters < MIN_WORDS_WITH_LETTERS:
        return (
            f"{with_letters:.0%} of its words have a letter, at least {MIN_WORDS_WITH_LETTERS:.0%} is usual"
        )
    return None if is_unspaced(words) else _spaced_fault(words)


def _spaced_fault(words: list[str]) -> str | None:
    mean = sum(map(len, words)) / len(words)
    if not MIN_MEAN_WORD_LENGTH <= mean <= MAX_MEAN_WORD_LENGTH:
        return (
            f"its words have {mean:.1f} letters, {MIN_MEAN_WORD_LENGTH} to {MAX_MEAN_WORD_LENGTH} are usual"
        )
    if len(_STOP_WORDS.intersection(map(str.lower, words))) < MIN_STOP_WORDS:
        return f"it has fewer than {MIN_STOP_WORDS} of the words {', '.join(sorted(_STOP_WORDS))}"
    return None
