"""Order and cutting of rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from luthier.train.batches import StepOrder, split_by_rows, split_by_tokens


@given(st.integers(1, 60), st.integers(1, 17), st.integers(0, 1000))
def test_every_epoch_visits_every_row_once(num_rows: int, rows_per_step: int, seed: int) -> None:
    order = StepOrder(num_rows, rows_per_step, seed)
    for epoch in range(2):
        first = epoch * order.steps_per_epoch
        visited = [row for step in range(first, first + order.steps_per_epoch) for row in order.rows(step)]
        assert sorted(visited) == list(range(num_rows))


def test_order_depends_on_seed_and_epoch_and_not_on_history() -> None:
    order = StepOrder(100, 10, seed=1)
    jumped = StepOrder(100, 10, seed=1)
    sequence = [order.rows(step) for step in range(25)]
    assert jumped.rows(24) == sequence[24]
    assert sequence[0] != sequence[10]
    assert StepOrder(100, 10, seed=2).rows(0) != sequence[0]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(10, 60))
def test_token_cut_keeps_all_rows_in_order_and_respects_the_limit(lengths: list[int], limit: int) -> None:
    rows = list(range(len(lengths)))
    batches = split_by_tokens(rows, lengths, limit)
    assert [row for batch in batches for row in batch] == rows
    assert all(len(batch) == 1 or sum(lengths[r] for r in batch) <= limit for batch in batches)


def test_row_cut() -> None:
    assert split_by_rows([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
