"""Sampling by class: sizes come out as asked, whatever the sizes are, and the seed alone decides which rows."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.balance.sampling import apportioned, oversampled, stratified, undersampled

CLASSES = st.lists(st.integers(0, 4), min_size=1, max_size=300).map(
    lambda values: np.unique(np.array(values), return_inverse=True)[1].astype(np.int32)
)
RATIOS = st.floats(1, 20)


def _sizes(classes: np.ndarray, copies: np.ndarray) -> np.ndarray:
    return np.bincount(classes, weights=copies).astype(int)


@given(CLASSES, RATIOS)
def test_oversampled(classes: np.ndarray, ratio: float) -> None:
    copies = oversampled(classes, max_ratio=ratio, max_copies=None, generator=np.random.default_rng(0))
    before, after = np.bincount(classes), _sizes(classes, copies)
    target = math.ceil(before.max() / ratio)
    assert after.tolist() == np.maximum(before, target).tolist()
    for number in range(len(before)):
        own = copies[classes == number]
        assert own.min() >= 1 and own.max() - own.min() <= 1, "every row is there, none twice before all are"


@given(CLASSES, RATIOS)
def test_undersampled(classes: np.ndarray, ratio: float) -> None:
    copies = undersampled(classes, max_ratio=ratio, generator=np.random.default_rng(0))
    before, after = np.bincount(classes), _sizes(classes, copies)
    assert after.tolist() == np.minimum(before, math.floor(before.min() * ratio)).tolist()
    assert set(copies.tolist()) <= {0, 1}


@given(CLASSES, st.integers(1, 300))
def test_stratified(classes: np.ndarray, wanted: int) -> None:
    wanted = min(wanted, len(classes))
    copies = stratified(classes, wanted, generator=np.random.default_rng(0))
    before, after = np.bincount(classes), _sizes(classes, copies)
    assert after.sum() == wanted and (after <= before).all()
    if wanted >= len(before):
        assert after.min() >= 1
        shares = wanted * before / before.sum()
        assert (np.abs(after - shares)[shares >= len(before)] <= len(before)).all()


def test_largest_remainders() -> None:
    """Hamilton's method on the textbook's populations: quotas 2.5, 3.6, 3.9 of ten seats."""
    assert apportioned([25, 36, 39], 10).tolist() == [2, 4, 4]
    assert apportioned([990, 9, 1], 10).tolist() == [8, 1, 1], "every class has one"
    assert apportioned([5, 9, 7], 2).tolist() == [0, 1, 1], "fewer rows than classes"


def test_copies_have_a_limit() -> None:
    classes = np.array([0] * 100 + [1], np.int32)
    copies = oversampled(classes, max_ratio=1, max_copies=5, generator=np.random.default_rng(0))
    assert copies.tolist() == [1] * 100 + [5]


def test_rows_without_a_class_stay() -> None:
    classes = np.array([-1, 0, 0, 0, 1, -1], np.int32)
    for copies in (
        oversampled(classes, max_ratio=1, max_copies=None, generator=np.random.default_rng(0)),
        undersampled(classes, max_ratio=1, generator=np.random.default_rng(0)),
        stratified(classes, 2, generator=np.random.default_rng(0)),
    ):
        assert copies[0] == copies[5] == 1


def test_the_seed_decides() -> None:
    classes = np.array([0] * 50 + [1] * 9, np.int32)
    draws = [
        undersampled(classes, max_ratio=1, generator=np.random.default_rng(s)).tolist() for s in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]
