"""Contamination: training rows that share a passage with an evaluation set.

A passage is a run of 13 words, as for GPT-3 (Brown et al. 2020, arXiv:2005.14165, appendix C). Text without spaces
has no words: there it is a run of 20 characters, about the 13 tokens of Qwen2.5 (arXiv:2412.15115, section 3), whose
tokens hold 1.5 to 1.8 Chinese characters. An evaluation text that is shorter counts as a whole, from 8 words
(GPT-3's shortest run) or 13 characters on; DeepSeekMath (arXiv:2402.03300, section 2.1) treats short ones likewise.
Rows that are shorter still count only where all their words are the same.
A passage that stands in more than ten different evaluation texts is a template (an instruction, a system prompt)
and no evidence; GPT-3 leaves out such runs likewise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow
import xxhash
from numpy.typing import NDArray

from luthier.data.operators.batch import Verdict, leave_out
from luthier.data.passages import Tokenizer, Tokens, Windows, runs_of_length

REASON = "contaminated"
_SHORTEST_PART = 8 / 13  # of a window: 8 of 13 words, 13 of 20 characters
_TEMPLATE_TEXTS = 10
_SHOWN_WORDS = 30


class Overlap(NamedTuple):
    """A passage that a row shares with an evaluation row.

    Args:
        passage: The shared words, as far as they go on.
        place: Where the evaluation row stands.
        num_words: Words (or characters) of the passage.
    """

    passage: str
    place: str
    num_words: int


class Decontaminate:
    """Operator: leaves out rows that share a passage with an evaluation set, and says which.

    Args:
        evaluation: Rows of `ROW_BATCH` that must not be trained.
        ngram: Words of a passage.
        cjk_ngram: Characters of a passage in Chinese, Japanese and Korean.
    """

    def __init__(
        self, evaluation: Iterable[pyarrow.RecordBatch], *, ngram: int = 13, cjk_ngram: int = 20
    ) -> None:
        self._tokenize = Tokenizer(ngram, cjk_ngram)
        self._places: list[str] = []
        self._rows: dict[bytes, int] = {}  # hash of all words of an evaluation row to its number
        self._texts: list[str] = []  # of the evaluation rows, to verify and to show what is shared
        self._owners: list[int] = []  # number of the evaluation row of each text
        self._index_texts(evaluation)

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Take rows of `ROW_BATCH`."""
        return leave_out(batch, lambda rows: [self._judge(texts) for texts in rows])

    @property
    def num_rows(self) -> int:
        """Evaluation rows compared with."""
        return len(self._places)

    def overlap(self, texts: Sequence[str]) -> Overlap | None:
        """Return the passage that a row shares with an evaluation row, the longest of its texts, or None."""
        tokens = [self._tokenize(text) for text in texts]
        equal = self._rows.get(_row_hash(tokens))
        if equal is not None:
            words = [word for part in tokens for word in part.words]
            return Overlap(_spelt(words), self._places[equal], len(words))
        found = [overlap for part in tokens if (overlap := self._overlap(part))]
        return max(found, key=lambda overlap: overlap.num_words, default=None)

    def _judge(self, texts: Sequence[str]) -> Verdict:
        overlap = self.overlap(texts)
        if overlap is None:
            return None
        passage = _shortened(overlap.passage)
        return REASON, f"shares {overlap.num_words} words with {overlap.place}: {passage}"

    def _index_texts(self, evaluation: Iterable[pyarrow.RecordBatch]) -> None:
        seen: set[bytes] = set()
        hashes: dict[int, list[NDArray[np.uint64]]] = {0: []}  # by length of the run; 0 is a full window
        owners: dict[int, list[NDArray[np.int64]]] = {0: []}
        for batch in evaluation:
            kept = batch.filter(batch["reason"].is_null())
            columns = (kept[name].to_pylist() for name in ("source", "row", "texts"))
            for source, row, texts in zip(*columns, strict=True):
                parts = [self._tokenize(text) for text in texts]
                if any(part.words for part in parts):
                    self._rows.setdefault(_row_hash(parts), len(self._places))
                self._places.append(f"{source}, row {row}")
                for text, tokens in zip(texts, parts, strict=True):
                    key = xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))
                    if key in seen:
                        continue
                    seen.add(key)
                    length, runs = self._passages(tokens)
                    if not len(runs):
                        continue
                    hashes.setdefault(length, []).append(runs)
                    owners.setdefault(length, []).append(np.full(len(runs), len(self._texts), np.int64))
                    self._texts.append(text)
                    self._owners.append(len(self._places) - 1)
        self._index = {
            length: _Index.of(np.concatenate(parts), np.concatenate(owners[length]))
            for length, parts in hashes.items()
            if parts
        }

    def _passages(self, tokens: Tokens) -> tuple[int, NDArray[np.uint64]]:
        """Return the runs of an evaluation text: full windows (length 0), or the short text as a whole."""
        windows = self._tokenize.windows(tokens)
        if len(windows.starts):
            return 0, np.unique(windows.hashes)
        length = len(tokens.words)
        if length == 0 or tokens.weights.sum() < _SHORTEST_PART * self._tokenize.full - 1e-9:
            return 0, windows.hashes
        return length, runs_of_length(tokens, length).hashes

    def _overlap(self, tokens: Tokens) -> Overlap | None:
        for length, index in self._index.items():
            windows = runs_of_length(tokens, length) if length else self._tokenize.windows(tokens)
            for window, number in index.matches(windows.hashes):
                if overlap := self._verified(tokens, windows, window, number):
                    return overlap
        return None

    def _verified(self, tokens: Tokens, windows: Windows, window: int, number: int) -> Overlap | None:
        """Return the passage around a window, if the words are there and not their hash alone."""
        start, end = int(windows.starts[window]), int(windows.ends[window])
        run = tokens.words[start:end]
        theirs = self._tokenize(self._texts[number]).words
        place = _find(theirs, run)
        if place is None:
            return None
        after = place + len(run)
        while end < len(tokens.words) and after < len(theirs) and tokens.words[end] == theirs[after]:
            end, after = end + 1, after + 1
        words = tokens.words[start:end]
        return Overlap(_spelt(words), self._places[self._owners[number]], len(words))


class _Index(NamedTuple):
    """Hashes in order, and the evaluation text that each is of."""

    hashes: NDArray[np.uint64]
    texts: NDArray[np.int64]

    @classmethod
    def of(cls, hashes: NDArray[np.uint64], texts: NDArray[np.int64]) -> _Index:
        """Sort, drop templates, and keep the first text of each passage."""
        order = np.argsort(hashes, kind="stable")
        unique, first, counts = np.unique(hashes[order], return_index=True, return_counts=True)
        is_telling = counts <= _TEMPLATE_TEXTS
        return cls(unique[is_telling], texts[order][first[is_telling]])

    def matches(self, hashes: NDArray[np.uint64]) -> list[tuple[int, int]]:
        """Return window and text of each hash that is known."""
        if not len(self.hashes) or not len(hashes):
            return []
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        found = np.flatnonzero(self.hashes[places] == hashes)
        return [(int(window), int(self.texts[places[window]])) for window in found]


def _row_hash(texts: Sequence[Tokens]) -> bytes:
    words = " ".join(word for tokens in texts for word in tokens.words)
    return xxhash.xxh3_128_digest(words.encode("utf-8", "surrogatepass"))


def _find(words: Sequence[str], run: Sequence[str]) -> int | None:
    """Return where a run stands in the words."""
    first, length = run[0], len(run)
    for place, word in enumerate(words):
        if word == first and words[place : place + length] == run:
            return place
    return None


def _spelt(words: Sequence[str]) -> str:
    """Return words with spaces between them, characters without."""
    text = ""
    for word in words:
        needs_space = text and text[-1].isascii() and word[0].isascii()
        text += f" {word}" if needs_space else word
    return text


def _shortened(passage: str) -> str:
    limit = _SHOWN_WORDS * 6
    return passage if len(passage) <= limit else f"{passage[:limit]}…"
