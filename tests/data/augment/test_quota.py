"""How many new rows: shares, least numbers, and a cap that nothing exceeds."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.augment.gate import Drift, DriftGate
from luthier.data.augment.quota import Quota, draws


@given(
    st.lists(st.floats(0.01, 3.0), min_size=1, max_size=4),
    st.floats(0.01, 0.99),
    st.integers(1, 10_000),
    st.integers(0, 500),
    st.one_of(st.none(), st.integers(1, 500)),
)
def test_the_cap_is_never_exceeded(shares, max_share, rows, before, least):
    wanted, capped = Quota(shares, max_share, min_per_class=least).wanted(rows, before)
    assert wanted >= 0
    assert capped >= 0
    if wanted:
        assert (before + wanted) / (rows + before + wanted) <= max_share + 1e-9
    if least is not None and not capped:
        assert wanted == max(0, least - rows - before)


@pytest.mark.parametrize(
    ("quota", "rows", "before", "expected"),
    [
        (Quota([0.2, 0.1]), 70, 0, (21, 0)),
        (Quota([0.2, 0.1]), 70, 21, (0, 0)),
        (Quota([2.0], max_share=0.3), 70, 0, (30, 110)),
        (Quota([0.1], min_per_class=100), 80, 0, (20, 0)),
        (Quota([0.1], min_per_class=100), 30, 0, (30, 40)),
        (Quota([0.1], min_per_class=100), 200, 0, (0, 0)),
    ],
)
def test_numbers(quota, rows, before, expected):
    assert quota.wanted(rows, before) == expected


@pytest.mark.parametrize(
    "arguments", [{"shares": []}, {"shares": [0.0]}, {"shares": [0.1], "max_share": 1.0}]
)
def test_numbers_out_of_range_are_refused(arguments):
    with pytest.raises(DataError):
        Quota(**arguments)


def test_every_row_is_drawn_before_any_comes_again_and_kinds_in_proportion():
    stream = draws(range(10), [0.3, 0.1], np.random.default_rng(0))
    drawn = list(islice(stream, 40))
    assert sorted(row for row, _ in drawn[:10]) == list(range(10))
    assert Counter(row for row, _ in drawn) == dict.fromkeys(range(10), 4)
    assert Counter(kind for _, kind in drawn) == {0: 30, 1: 10}
    assert list(islice(draws([], [1.0], np.random.default_rng(0)), 3)) == []


def embed(texts):
    """Return vectors at an angle that the text names in degrees."""
    angles = np.radians([float(text) for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_drift_is_measured_and_judged():
    gate = DriftGate(min_similarity=0.8, max_edit_distance=0.5, embed=embed)
    drifts = gate.measure([("0", "60"), ("10", "11")])
    assert drifts == [Drift(0.5, 0.5), Drift(0.9998, 0.5)]
    assert "similarity 0.5 is below 0.8" in gate.fault(drifts[0])
    assert gate.fault(drifts[1]) is None
    assert "edit distance 0.6 is above 0.5" in gate.fault(Drift(0.9, 0.6))
    assert DriftGate().fault(Drift(None, 1.0)) is None
    assert gate.measure([]) == []


def test_edit_distance_is_levenshteins():
    # Levenshtein's textbook pair: kitten to sitting takes 3 edits, of 7 characters.
    assert DriftGate().measure([("kitten", "sitting")]) == [Drift(None, round(3 / 7, 4))]


def test_a_similarity_needs_a_measure():
    with pytest.raises(DataError, match="no embedding model"):
        DriftGate(min_similarity=0.8)
