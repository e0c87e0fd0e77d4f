"""Signatures are those of datasketch, estimate what they promise, and bands find what they promise."""

import hashlib
import json

import numpy as np
import pytest

from luthier.data.duplicates.minhash import (
    MAX_PERMUTATIONS,
    band_hashes,
    banding,
    legacy_signature,
    signatures,
)
from luthier.data.duplicates.shingle_sets import ShingleSets, jaccard
from tests.conftest import SHARED_VECTORS


def _vectors():
    path = SHARED_VECTORS / "27_minhash_jaccard.json"
    return json.loads(path.read_text(encoding="utf-8"))["records"] if path.is_file() else []


@pytest.mark.skipif(not _vectors(), reason=f"known answers are not at {SHARED_VECTORS}")
def test_known_answers():
    """Values of datasketch 2.0.0 (affine32) and of its tests (1.x), and its README's example sets."""
    records = _vectors()
    assert len(records) == 3
    for record in records:
        given, expected = record["input"], record["expected"]
        if record["function"] == "exact_jaccard":
            assert _jaccard(given["a"], given["b"]) == pytest.approx(expected, abs=record["tolerance"])
            continue
        assert given["update"] == 'b"Hello"'
        hashes = np.array([int.from_bytes(hashlib.sha1(b"Hello").digest()[:4], "little")], np.uint32)
        if "legacy" in given["scheme"]:
            found = legacy_signature(hashes.astype(np.uint64), given["num_perm"], given["seed"])
        else:
            found = signatures(hashes, np.array([0, 1]), given["num_perm"], given["seed"])[0]
        assert found.tolist() == expected


def test_worked_signature():
    """The same values, for where the file of known answers is absent: datasketch 2.0.0, MinHash(4, seed=1)."""
    hashes = np.array([int.from_bytes(hashlib.sha1(b"Hello").digest()[:4], "little")], np.uint32)
    assert signatures(hashes, np.array([0, 1]), 4, 1).tolist() == [
        [3231258861, 1388533999, 831950533, 1845606703]
    ]


def _jaccard(one, other):
    number = {word: index for index, word in enumerate(sorted({*one, *other}))}
    sets = [sorted(number[word] for word in words) for words in (one, other)]
    starts = np.array([0, len(sets[0]), len(sets[0]) + len(sets[1])])
    both = ShingleSets(np.array([*sets[0], *sets[1]], np.uint64), starts)
    return float(jaccard(both, np.array([0]), np.array([1]))[0])


def _pair(generator, size, similarity):
    common = round(2 * size * similarity / (1 + similarity))
    elements = generator.integers(0, 1 << 32, 2 * size - common, dtype=np.uint32)
    return np.concatenate([elements[:size], elements[size - common :]]), common / (2 * size - common)


@pytest.mark.parametrize("similarity", [0.3, 0.8])
def test_signatures_estimate_jaccard(similarity):
    """The share of equal values has mean J and standard deviation sqrt(J (1 - J) / k) (Broder 1997)."""
    generator, num_permutations = np.random.default_rng(0), 128
    shares = []
    for _ in range(400):
        elements, true = _pair(generator, 200, similarity)
        one, other = signatures(elements, np.array([0, 200, 400]), num_permutations, 1)
        shares.append((one == other).mean() - true)
    deviation = (similarity * (1 - similarity) / num_permutations) ** 0.5
    assert abs(np.mean(shares)) < 4 * deviation / 400**0.5
    assert np.std(shares) == pytest.approx(deviation, rel=0.12)


def test_sets_of_any_size_get_the_signature_they_have_alone():
    generator = np.random.default_rng(0)
    sizes = [1, 2, 3, 7, 100, 40_000, 5000, 12, 4096, 4095]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    hashes = generator.integers(0, 1 << 32, starts[-1], dtype=np.uint32)
    together = signatures(hashes, starts, 20, 3)
    for row, (begin, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
        alone = signatures(hashes[begin:end], np.array([0, end - begin]), 20, 3)[0]
        assert (together[row] == alone).all()
    again = signatures(np.repeat(hashes[:7], 3), np.array([0, 3, 9, 21]), 20, 3)
    assert (again[0] == together[0]).all()


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9, 0.99])
def test_bands_find_pairs_at_the_threshold(threshold):
    bands, rows = banding(threshold)
    assert bands * rows <= MAX_PERMUTATIONS
    assert 1 - (1 - threshold**rows) ** bands >= 0.99
    assert 1 - (1 - (threshold / 2) ** rows) ** bands < 0.6
    assert banding(1.0)[0] == 1


def test_bands_meet_as_often_as_they_should():
    """A pair of similarity s meets with probability 1 - (1 - s^r)^b (Mining of Massive Datasets, section 3.4.2)."""
    generator, (bands, rows) = np.random.default_rng(1), (8, 4)
    met = []
    for _ in range(500):
        elements, true = _pair(generator, 150, 0.6)
        hashes = band_hashes(signatures(elements, np.array([0, 150, 300]), bands * rows, 1), bands, rows)
        met.append(bool((hashes[:, 0] == hashes[:, 1]).any()))
    expected = 1 - (1 - true**rows) ** bands
    assert np.mean(met) == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 500) ** 0.5)
