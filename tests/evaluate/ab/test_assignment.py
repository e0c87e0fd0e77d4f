"""Assignment is GrowthBook's where that is asked for, uniform, independent between experiments, and sticky."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from luthier.core.errors import LuthierError
from luthier.evaluate.ab.assignment import (
    POSITIONS,
    bucket_ranges,
    is_in_namespace,
    position,
    variant_at,
)
from luthier.evaluate.ab.fnv1a import growthbook_position
from tests.evaluate.ab.vectors import records

FILE = "16_ab_hashing_sticky.json"


@pytest.mark.parametrize("case", records(FILE, "hash_fnv1a"))
def test_growthbooks_hash(case: dict) -> None:
    given = case["input"]
    found = growthbook_position(given["seed"], given["value"], given["version"])
    assert found == pytest.approx(case["expected"], abs=case["tolerance"])


@pytest.mark.parametrize("case", records(FILE, "bucket_ranges"))
def test_growthbooks_ranges(case: dict) -> None:
    given = case["input"]
    shares = given["weights"] or [1 / given["variations"]] * given["variations"]
    if not 0.99 < sum(shares) < 1.01 or given["coverage"] < 0:
        # GrowthBook goes on with equal shares, or with nobody, and says nothing.
        with pytest.raises(LuthierError, match="do not sum to 1|not from 0 to 1"):
            bucket_ranges(shares, given["coverage"])
        return
    found = bucket_ranges(shares, given["coverage"])
    assert np.array(found) == pytest.approx(np.array(case["expected"]), abs=1e-6)


@pytest.mark.parametrize("case", records(FILE, "choose_variation"))
def test_growthbooks_choice(case: dict) -> None:
    found = variant_at(case["input"]["n"], case["input"]["ranges"])
    assert (-1 if found is None else found) == case["expected"]


@pytest.mark.parametrize("case", records(FILE, "in_namespace"))
def test_growthbooks_namespaces(case: dict) -> None:
    name, low, high = case["input"]["namespace"]
    assert is_in_namespace(case["input"]["user"], name, low, high) == case["expected"]


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match="versions 1 and 2"):
        growthbook_position("a", "b", 3)


@pytest.mark.parametrize("name", ["blake2b", "growthbook-2"])  # the first version is not: see below
def test_positions_are_uniform(name: str) -> None:
    places = np.array([POSITIONS[name]("welcome", str(unit)) for unit in range(50_000)])  # type: ignore[index]
    counts = np.histogram(places, bins=100, range=(0, 1))[0]
    assert stats.chisquare(counts).pvalue > 0.001
    assert places.min() >= 0 and places.max() < 1


def test_growthbooks_first_version_is_not_uniform() -> None:
    places = np.array([POSITIONS["growthbook-1"]("welcome", str(unit)) for unit in range(50_000)])
    assert stats.chisquare(np.histogram(places, bins=100, range=(0, 1))[0]).pvalue < 1e-4


@pytest.mark.parametrize("other", ["b", "a2", "A", "a "])
def test_experiments_are_independent(other: str) -> None:
    # Names that differ by as little as a letter: 10 by 10 cells of positions are equally full.
    one, two = (np.array([position(name, f"user-{n}") for n in range(50_000)]) for name in ("a", other))
    cells = np.histogram2d(one, two, bins=10, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(cells.ravel()).pvalue > 0.001
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02


def test_names_and_units_do_not_run_into_each_other() -> None:
    assert position("ab", "c") != position("a", "bc")


def test_more_coverage_moves_nobody() -> None:
    few, many = bucket_ranges((0.3, 0.7), 0.2), bucket_ranges((0.3, 0.7), 0.8)
    places = [position("e", str(unit)) for unit in range(5000)]
    before, after = ([variant_at(place, ranges) for place in places] for ranges in (few, many))
    assert all(a == b for a, b in zip(before, after, strict=True) if a is not None)
    assert np.mean([a is not None for a in before]) == pytest.approx(0.2, abs=0.02)
    assert np.mean([b is not None for b in after]) == pytest.approx(0.8, abs=0.02)


def test_the_position_is_what_it_was() -> None:
    # Units stay where they are in every later version: BLAKE2b of "7:welcomeuser-1", by coreutils' b2sum -l 64.
    assert position("welcome", "user-1") == pytest.approx(0x7C4F103D31453FC7 / 2**64, abs=1e-15)
