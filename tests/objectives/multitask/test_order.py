"""Order of mixtures: pure in seed and step, exact in its shares, fair to every row."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.objectives.multitask.order import Mixture, MixtureOrder, StagedOrder, stage_ends, uses_of_rows
from luthier.objectives.multitask.rates import Rates, tempered_rates
from luthier.train.batches import StepOrder


def mixture(sizes: list[int], rates: Rates | None = None, *, takes_turns: bool = False) -> Mixture:
    """Rows of the tasks one after the other."""
    ends = np.cumsum(sizes)
    rows = [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    return Mixture(rows, tempered_rates(sizes) if rates is None else rates, sum(sizes), takes_turns)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 9), st.integers(0, 99))
def test_proportional_mixing_is_the_plain_order(sizes: list[int], rows_per_step: int, seed: int) -> None:
    order = MixtureOrder(mixture(sizes), rows_per_step, seed)
    plain = StepOrder(sum(sizes), rows_per_step, seed)
    assert order.steps_per_epoch == plain.steps_per_epoch
    for step in range(2 * plain.steps_per_epoch):
        assert order.rows(step) == plain.rows(step)


def test_a_step_does_not_depend_on_the_steps_before() -> None:
    rates = tempered_rates([90, 10], temperature=3.0)
    order = MixtureOrder(mixture([90, 10], rates), 8, seed=5)
    sequence = [order.rows(step) for step in range(40)]
    assert MixtureOrder(mixture([90, 10], rates), 8, seed=5).rows(37) == sequence[37]
    assert MixtureOrder(mixture([90, 10], rates), 8, seed=6).rows(37) != sequence[37]


@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=4),
    st.floats(0.5, 10.0),
    st.booleans(),
    st.integers(0, 99),
)
def test_each_epoch_has_the_shares_and_each_row_its_turn(
    sizes: list[int], temperature: float, takes_turns: bool, seed: int
) -> None:
    order = MixtureOrder(
        mixture(sizes, tempered_rates(sizes, temperature=temperature), takes_turns=takes_turns), 4, seed
    )
    task_of = np.repeat(np.arange(len(sizes)), sizes)
    for epoch in range(3):
        first = epoch * order.steps_per_epoch
        drawn = [row for step in range(first, first + order.steps_per_epoch) for row in order.rows(step)]
        counts = Counter(int(task_of[row]) for row in drawn)
        assert [counts[task] for task in range(len(sizes))] == order.quotas
    uses = uses_of_rows(order, sum(sizes), 3 * order.steps_per_epoch)
    assert uses.sum() == 3 * sum(order.quotas)
    for task in range(len(sizes)):
        own = uses[task_of == task]
        assert own.max() - own.min() <= 1


def test_tasks_take_turns_row_by_row() -> None:
    order = MixtureOrder(mixture([30, 6, 12], np.full(3, 1 / 3), takes_turns=True), 6, seed=1)
    task_of = np.repeat([0, 1, 2], [30, 6, 12])
    for step in range(8):
        assert [int(task_of[row]) for row in order.rows(step)] == [0, 1, 2, 0, 1, 2]


def test_stages_follow_one_another_by_their_shares() -> None:
    assert stage_ends([0.25, 0.75], 10) == [2, 10]
    assert stage_ends([0.1, 0.2, 0.7], 10) == [1, 3, 10]
    first = MixtureOrder(Mixture([np.arange(8)], np.ones(1), 8), 4, seed=3)
    second = MixtureOrder(mixture([8, 8]), 4, seed=3, stage=1)
    order = StagedOrder([first, second], [3, 10], steps_per_epoch=4)
    assert [order.stage(step) for step in (0, 2, 3, 9, 50)] == [0, 0, 1, 1, 1]
    assert all(max(order.rows(step)) < 8 for step in range(3))
    assert order.rows(3) == second.rows(0)
    uses = uses_of_rows(order, 16, 10)
    assert uses.sum() == 40
    assert uses[:8].sum() > uses[8:].sum()


def test_stages_have_draws_of_their_own() -> None:
    one, two = (MixtureOrder(mixture([20, 20]), 4, seed=3, stage=stage) for stage in (0, 1))
    assert one.rows(0) != two.rows(0)


def test_a_task_of_one_row_gives_it_again_and_again() -> None:
    order = MixtureOrder(mixture([1, 7], np.array([0.5, 0.5])), 4, seed=0)
    uses = uses_of_rows(order, 8, 2)
    assert uses[0] == 4
    assert uses[1:] == pytest.approx(4 / 7, abs=1)
