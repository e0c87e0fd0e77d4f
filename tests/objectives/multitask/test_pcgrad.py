"""PCGrad's rule by hand, its properties, and the cosine between tasks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from luthier.objectives.multitask.conflict import cosines
from luthier.objectives.multitask.pcgrad import dot, project_conflicts


def gradient(*values: float) -> list[torch.Tensor]:
    """A gradient of two weights: the first value, and the others."""
    return [torch.tensor(values[:1], dtype=torch.float64), torch.tensor([values[1:]], dtype=torch.float64)]


def flat(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def test_two_tasks_in_conflict_lose_what_is_against_the_other() -> None:
    # Algorithm 1 of arXiv:2001.06782 by hand: g1 . g2 = -1; g1 + g2 / 2 and g2 + g1.
    one, two = project_conflicts([gradient(1.0, 0.0), gradient(-1.0, 1.0)], np.random.default_rng(0))
    assert flat(one).tolist() == pytest.approx([0.5, 0.5])
    assert flat(two).tolist() == pytest.approx([0.0, 1.0])


def test_tasks_that_agree_stay_as_they_are() -> None:
    gradients = [gradient(1.0, 2.0), gradient(0.5, 0.1)]
    projected = project_conflicts(gradients, np.random.default_rng(0))
    assert [flat(p).tolist() for p in projected] == [flat(g).tolist() for g in gradients]


def test_the_originals_are_what_others_are_projected_against_and_stay() -> None:
    one, two = gradient(1.0, 0.0), gradient(-1.0, 1.0)
    project_conflicts([one, two], np.random.default_rng(0))
    assert flat(one).tolist() == [1.0, 0.0] and flat(two).tolist() == [-1.0, 1.0]


def test_the_order_of_three_tasks_is_random_and_seeded() -> None:
    gradients = [gradient(1.0, 0.0), gradient(-1.0, 0.8), gradient(-1.0, -0.3)]
    results = {
        tuple(flat(project_conflicts(gradients, np.random.default_rng(seed))[0]).tolist())
        for seed in range(20)
    }
    assert len(results) == 2
    again = [project_conflicts(gradients, np.random.default_rng(4)) for _ in range(2)]
    assert [flat(p).tolist() for p in again[0]] == [flat(p).tolist() for p in again[1]]


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_no_conflict_is_left_between_two_tasks(one: list[float], two: list[float]) -> None:
    gradients = [gradient(*one), gradient(*two)]
    projected = project_conflicts(gradients, np.random.default_rng(0))
    for own, other in zip(projected, reversed(gradients), strict=True):
        assert dot(own, other) >= -1e-9


def test_a_gradient_whose_square_underflows_is_no_direction() -> None:
    one, two = gradient(1.0, 0.0), gradient(-1.6e-189, 0.0)
    assert [flat(p).tolist() for p in project_conflicts([one, two], np.random.default_rng(0))][0] == [
        1.0,
        0.0,
    ]


def test_cosine_of_each_pair_and_none_of_a_zero() -> None:
    found = cosines([gradient(1.0, 0.0), gradient(1.0, 1.0), gradient(-2.0, 0.0), gradient(0.0, 0.0)])
    assert found == {
        (0, 1): pytest.approx(0.5**0.5),
        (0, 2): pytest.approx(-1.0),
        (1, 2): pytest.approx(-(0.5**0.5)),
    }
