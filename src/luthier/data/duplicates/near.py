"""Near duplicates: rows whose character n-grams are mostly the same, found by MinHash bands and verified.

A row costs about 60 bytes of memory, whatever its length: texts and band hashes lie in temporary files, and the work
on one band is a sort. The time grows with the rows, not with their pairs, since a row is compared with a bounded
number of neighbours in each band.
"""

from __future__ import annotations

import numpy as np
import pyarrow
from numpy.typing import NDArray

from luthier.data.duplicates.band_file import BandFile
from luthier.data.duplicates.equal import Digests
from luthier.data.duplicates.links import Components, Links, joined
from luthier.data.duplicates.minhash import band_hashes, banding, signatures
from luthier.data.duplicates.shingle_sets import jaccard, sets_of
from luthier.data.duplicates.shingles import fold, shingles_of
from luthier.data.duplicates.text_spool import TextSpool, bounded

_NGRAMS = (3, 4, 5, 6, 8)
_SAMPLE_TEXTS = 600
_CHANCE_COMPARISONS = 10.0  # of a row with rows that are nothing like it
_NEIGHBOURS = 32  # with which a row is compared in each band that it shares with more
_BLOCK_BYTES = 1 << 21


class NearDuplicates:
    """Finds rows whose sets of n-grams have a Jaccard similarity at or above a threshold.

    Case, width (NFKC) and white space make no difference. A pair exactly at the threshold is found with a
    probability of 0.99, more similar ones are found more often; every pair that is found is verified.

    Args:
        threshold: Jaccard similarity from which two rows are duplicates, above 0, at most 1.
        ngram: Characters of an n-gram. By default 3, which suits every script, or as many more as it
            takes for unlike rows not to look alike: many long texts of an alphabet share most 3-grams.
        seed: Of the hash functions.
    """

    reason = "near_duplicate"

    def __init__(self, threshold: float = 0.8, *, ngram: int | None = None, seed: int = 1) -> None:
        self.ngram = ngram
        self._threshold = threshold
        self._seed = seed
        self._bands, self._band_rows = banding(threshold)
        self._texts = TextSpool()
        self._digests = Digests()

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Take rows of `ROW_BATCH`."""
        for texts in rows["texts"].to_pylist():
            self.add_texts(texts)

    def add_texts(self, texts: list[str]) -> None:
        """Take the texts of one row."""
        text = fold(texts)
        self._texts.append(text)
        self._digests.append(text)

    def links(self) -> Links:
        """Return links that connect all rows that are alike."""
        first = self._digests.first_equal()
        repeated = np.flatnonzero(first != np.arange(len(first)))
        equal = Links(first[repeated], repeated, np.ones(len(repeated)))
        distinct = np.flatnonzero(first == np.arange(len(first)))
        self.ngram = self.ngram or self._shortest_telling_ngram(distinct)
        with BandFile(self._bands, len(distinct)) as bands:
            self._write_bands(bands, distinct)
            return joined([equal, *_Search(self, self._threshold, distinct).run(bands)])

    def similarity(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the Jaccard similarity of each pair of rows."""
        assert self.ngram, "links() chooses it"
        starts = self._texts.starts
        result = np.empty(len(left))
        for block in bounded(np.diff(starts)[left] + np.diff(starts)[right] + 1, _BLOCK_BYTES):
            rows, places = np.unique(np.concatenate([left[block], right[block]]), return_inverse=True)
            sets = sets_of(shingles_of(self._texts.read(rows.tolist()), self.ngram))
            one, other = places.reshape(2, -1)
            result[block] = jaccard(sets, one, other)
        return result

    def describe(self, row: int, other: int, similarity: float, place: str) -> str:
        """Say what a row has in common with another."""
        if similarity == 1.0:
            return f"the same characters as {place}"
        return f"{similarity:.2f} similar to {place} (Jaccard of character {self.ngram}-grams)"

    def close(self) -> None:
        """Delete temporary files."""
        self._texts.close()

    def _write_bands(self, bands: BandFile, distinct: NDArray[np.int64]) -> None:
        assert self.ngram
        for _, texts in self._texts.blocks(distinct):
            shingles = shingles_of(texts, self.ngram)
            hashes = (shingles.hashes >> np.uint64(32)).astype(np.uint32)
            signature = signatures(hashes, shingles.starts, self._bands * self._band_rows, self._seed)
            bands.append(band_hashes(signature, self._bands, self._band_rows))

    def _shortest_telling_ngram(self, distinct: NDArray[np.int64]) -> int:
        """Return the shortest n-gram with which rows that are nothing alike are seldom compared."""
        if len(distinct) < 2:
            return _NGRAMS[0]
        step = max(1, len(distinct) // _SAMPLE_TEXTS)
        sample = distinct[::step]
        shifts = range(1, min(6, len(sample)))
        left = np.concatenate([sample for _ in shifts])
        right = np.concatenate([np.roll(sample, shift) for shift in shifts])
        for ngram in _NGRAMS:
            self.ngram = ngram
            alike = np.sort(self.similarity(left, right))[
                : -max(1, len(left) // 100)
            ]  # but for true duplicates
            meets = 1 - (1 - alike**self._band_rows) ** self._bands
            if meets.sum() / max(1, len(meets)) * len(distinct) <= _CHANCE_COMPARISONS:
                break
        return ngram


class _Search:
    """Goes through the bands: who shares a band and is not yet connected is compared."""

    def __init__(self, rows: NearDuplicates, threshold: float, distinct: NDArray[np.int64]) -> None:
        self._rows = rows
        self._threshold = threshold
        self._distinct = distinct
        self._components = Components(len(distinct))
        self._unlike = np.empty(0, np.uint64)  # pairs that were compared in vain, in order
        self._found: list[Links] = []

    def run(self, bands: BandFile) -> list[Links]:
        """Return the links, by number of the row."""
        for band in range(bands.count):
            keys = bands.read(band)
            members = _sharing(keys)
            # Those that share the next band too stand side by side: the most alike are neighbours.
            following = bands.read((band + 1) % bands.count)
            members = members[np.lexsort((following[members], keys[members]))]
            bucket = keys[members]
            compared = [self._unlike]
            for lag in range(1, _NEIGHBOURS + 1):
                is_pair = bucket[lag:] == bucket[:-lag]
                if not is_pair.any():
                    break
                compared.append(self._compare(members[:-lag][is_pair], members[lag:][is_pair]))
            self._unlike = np.sort(np.concatenate(compared))
        return self._found

    def _compare(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Link pairs that are alike and not yet connected; return those that are not alike."""
        labels = self._components.labels
        pairs = np.stack([np.minimum(one, other), np.maximum(one, other)])
        pairs = pairs[:, labels[one] != labels[other]]
        keys = _pair_keys(pairs)
        if len(self._unlike):
            places = np.minimum(np.searchsorted(self._unlike, keys), len(self._unlike) - 1)
            is_new = self._unlike[places] != keys
            pairs, keys = pairs[:, is_new], keys[is_new]
        order = np.argsort(keys)
        pairs, keys = pairs[:, order], keys[order]
        left, right = self._distinct[pairs]
        similarity = self._rows.similarity(left, right)
        is_alike = similarity >= self._threshold
        self._components.connect(*pairs[:, is_alike])
        self._found.append(Links(left[is_alike], right[is_alike], similarity[is_alike]))
        return keys[~is_alike]


def _sharing(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return who has a key that another has too."""
    order = np.argsort(keys)
    is_same = keys[order][1:] == keys[order][:-1]
    is_shared = np.zeros(len(order), bool)
    is_shared[1:] |= is_same
    is_shared[:-1] |= is_same
    return order[is_shared]


def _pair_keys(pairs: NDArray[np.int64]) -> NDArray[np.uint64]:
    left, right = pairs.astype(np.uint64)
    keys: NDArray[np.uint64] = (left << np.uint64(32)) | right
    return keys
