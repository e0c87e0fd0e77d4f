"""The interval of one rate under peeking equals the values of confseq."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.evaluate.ab.rate_sequence import (
    best_rho,
    beta_binomial_log_mixture,
    beta_binomial_prior,
    rate_sequence,
)
from tests.evaluate.ab.vectors import records

FILE = "20_confidence_sequences.json"


@pytest.mark.parametrize("case", records(FILE, "bernoulli_confidence_sequence"))
def test_intervals(case: dict) -> None:
    given = case["input"]
    found = rate_sequence(given["successes"], given["trials"], given["alpha"], given["t_opt"])
    assert found == pytest.approx(tuple(case["expected"]), abs=1e-5)


@pytest.mark.parametrize("case", records(FILE, "beta_binomial_log_mixture_two_sided"))
def test_mixtures(case: dict) -> None:
    given = case["input"]
    prior = beta_binomial_prior(given["v_opt"], given["g"], given["h"], given["alpha_opt"])
    found = beta_binomial_log_mixture(given["s"], given["v"], given["g"], given["h"], prior)
    assert found == pytest.approx(case["expected"], abs=1e-5)


@pytest.mark.parametrize("case", records(FILE, "two_sided_normal_best_rho"))
def test_strength(case: dict) -> None:
    assert best_rho(case["input"]["v_opt"], case["input"]["alpha"]) == pytest.approx(
        case["expected"], abs=1e-5
    )


def test_it_covers_at_every_look() -> None:
    generator = np.random.default_rng(0)
    looks = np.arange(1, 201)
    allowed = [rate_sequence(x, n, planned=100) for n in looks for x in (0, n)]
    assert allowed[0] == (0.0, allowed[0][1])
    ends = {(x, n): rate_sequence(x, n, planned=100) for n in looks[::10] for x in range(n + 1)}
    missed = 0
    for _ in range(1000):
        counts = np.cumsum(generator.random(200) < 0.1)
        intervals = [ends[int(counts[n - 1]), n] for n in looks[::10]]
        missed += any(not low <= 0.1 <= high for low, high in intervals)
    assert 0 < missed <= 50
