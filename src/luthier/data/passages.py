"""Passages: runs of words, or of characters in scripts without spaces, as 64-bit hashes of their windows."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

_CJK = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_IS_CJK = re.compile(rf"[{_CJK}]")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_CACHED_TOKENS = 1 << 18


class Tokens(NamedTuple):
    """The words of a text; each Chinese or Japanese character is one. Case, width and punctuation are gone.

    Args:
        words: In order.
        weights: What each counts towards a window, so that words and characters fill it alike, shape [T].
        hashes: uint64, shape [T].
    """

    words: list[str]
    weights: NDArray[np.int64]
    hashes: NDArray[np.uint64]


class Tokenizer:
    """Cuts texts into words and characters, and hashes them.

    Args:
        ngram: Words that fill a window.
        cjk_ngram: Characters of Chinese or Japanese that fill one.
    """

    def __init__(self, ngram: int, cjk_ngram: int) -> None:
        # A word weighs 1/ngram of a window and a character 1/cjk_ngram; whole numbers avoid rounding.
        self.full = ngram * cjk_ngram
        self._weights = (cjk_ngram, ngram)
        self._known: dict[str, tuple[int, int]] = {}

    def __call__(self, text: str) -> Tokens:
        """Return the tokens of a text."""
        words = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())
        known = self._known
        if len(known) > _CACHED_TOKENS:
            known.clear()
        facts = [known.get(word) or self._learn(word) for word in words]
        hashes, weights = zip(*facts, strict=True) if facts else ((), ())
        return Tokens(words, np.array(weights, np.int64), np.array(hashes, np.uint64))

    def _learn(self, word: str) -> tuple[int, int]:
        weight = self._weights[bool(_IS_CJK.match(word))]
        self._known[word] = fact = (xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass")), weight)
        return fact

    def windows(self, tokens: Tokens) -> Windows:
        """Return from each token on the shortest run that fills a window."""
        ends = np.cumsum(tokens.weights)
        begins = ends - tokens.weights
        last = np.searchsorted(ends, begins + self.full)
        starts = np.flatnonzero(last < len(ends))
        return Windows(starts, last[starts] + 1, _run_hashes(tokens.hashes, starts, last[starts] + 1))


class Windows(NamedTuple):
    """Runs of tokens.

    Args:
        starts: First token of each, shape [W].
        ends: Token behind the last.
        hashes: uint64.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    hashes: NDArray[np.uint64]


def runs_of_length(tokens: Tokens, length: int) -> Windows:
    """Return all runs of so many tokens."""
    starts = np.arange(max(0, len(tokens.words) - length + 1))
    return Windows(starts, starts + length, _run_hashes(tokens.hashes, starts, starts + length))


def _run_hashes(
    hashes: NDArray[np.uint64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return one hash per run, from running sums: sum of h[i] * m^i over the run, divided by m^start."""
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(len(hashes) + 1, _MULTIPLIER), dtype=np.uint64)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(hashes * powers[:-1], dtype=np.uint64)])
        inverse = np.uint64(pow(int(_MULTIPLIER), -1, 1 << 64))
        back = np.cumprod(np.full(len(hashes) + 1, inverse), dtype=np.uint64)
        result = (sums[ends] - sums[starts]) * back[starts]
    mixed: NDArray[np.uint64] = (result ^ (result >> np.uint64(32))) + (ends - starts).astype(np.uint64)
    return mixed
