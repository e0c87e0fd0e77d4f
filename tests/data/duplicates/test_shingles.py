"""N-grams and their similarity are those that plain sets of strings give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.duplicates.shingle_sets import jaccard, sets_of
from luthier.data.duplicates.shingles import fold, shingles_of

TEXTS = st.lists(st.text(alphabet="ab中文é\U0001f600 ", max_size=14), min_size=1, max_size=6)


def _ngrams(text, ngram):
    padded = text.ljust(ngram, "\0")
    return [padded[place : place + ngram] for place in range(len(padded) - ngram + 1)]


@given(texts=TEXTS, ngram=st.integers(1, 9))
def test_equal_ngrams_have_equal_hashes(texts, ngram):
    shingles = shingles_of(texts, ngram)
    plain = [_ngrams(text, ngram) for text in texts]
    assert np.diff(shingles.starts).tolist() == [len(grams) for grams in plain]
    flat = [gram for grams in plain for gram in grams]
    hashes = dict(zip(flat, shingles.hashes.tolist(), strict=True))
    assert [hashes[gram] for gram in flat] == shingles.hashes.tolist()
    assert len(set(hashes.values())) == len(hashes)


@given(texts=TEXTS, ngram=st.integers(1, 5))
def test_jaccard_is_that_of_sets(texts, ngram):
    sets = sets_of(shingles_of(texts, ngram))
    pairs = [(one, other) for one in range(len(texts)) for other in range(len(texts))]
    left, right = np.array(pairs).T
    plain = [set(_ngrams(text, ngram)) for text in texts]
    expected = [len(plain[a] & plain[b]) / len(plain[a] | plain[b]) for a, b in pairs]
    assert jaccard(sets, left, right).tolist() == pytest.approx(expected, abs=1e-12)


def test_no_texts():
    assert len(shingles_of([], 3).hashes) == 0
    assert len(jaccard(sets_of(shingles_of(["ab"], 3)), np.empty(0, int), np.empty(0, int))) == 0


@pytest.mark.parametrize(
    ("texts", "folded"),
    [
        (["A  b\n", " C"], "a b c"),
        (["ＡＢＣ，１２３"], "abc,123"),
        (["Straße"], "strasse"),
        (["\u3000你好\u3000世界"], "你好 世界"),
        (["", " "], ""),
    ],
)
def test_what_makes_no_difference_is_folded(texts, folded):
    assert fold(texts) == folded
