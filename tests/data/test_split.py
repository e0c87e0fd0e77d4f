"""The split: nothing that shares a prompt or a group stands on both sides, whatever the order of the rows."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.sample import Answer, Message, Sample
from luthier.data.split import fold_rows, split_rows


def _row(question: str, answer: str = "a", group: str | None = None, number: int = 1) -> Sample:
    return Sample(
        "a.jsonl", number, messages=(Message("user", question), Message("assistant", answer)), group=group
    )


def _held_out(rows: list[Sample], share: float = 0.1, seed: int = 0) -> set[Sample]:
    return {
        row.place: row for row, out in zip(rows, split_rows(rows, share, seed), strict=True) if out
    }.keys()  # type: ignore[return-value]


def _numbered(count: int) -> list[Sample]:
    return [_row(f"question {n}", number=n) for n in range(count)]


@pytest.mark.parametrize(
    ("count", "share", "wanted"), [(1000, 0.1, 100), (50, 0.3, 15), (5, 0.01, 1), (2, 0.9, 1), (10, 0.99, 9)]
)
def test_share(count: int, share: float, wanted: int) -> None:
    assert sum(split_rows(_numbered(count), share, 0)) == wanted


ROWS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz"), st.sampled_from([None, "g", "h"])),
    min_size=2,
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, share=st.floats(0.05, 0.95), seed=st.integers(0, 5))
def test_no_prompt_and_no_group_on_both_sides(
    rows: list[tuple[str, str, str | None]], share: float, seed: int
) -> None:
    samples = [_row(*row, number=number) for number, row in enumerate(rows)]
    try:
        sides = split_rows(samples, share, seed)
    except DataError:
        connected = {rows[0][0]}
        groups = {rows[0][2]} - {None}
        for _ in rows:  # everything must hang together
            for question, _, group in rows:
                if question in connected or group in groups:
                    connected.add(question)
                    groups |= {group} - {None}
        assert connected == {question for question, _, _ in rows}
        return
    assert 0 < sum(sides) < len(rows)
    for key in (0, 2):
        out = {row[key] for row, side in zip(rows, sides, strict=True) if side} - {None}
        kept = {row[key] for row, side in zip(rows, sides, strict=True) if not side} - {None}
        assert not out & kept


@settings(max_examples=100, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 5), order=st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(
    rows: list[tuple[str, str, str | None]], seed: int, order: random.Random
) -> None:
    samples = [_row(*row, number=number) for number, row in enumerate(rows)]
    shuffled = samples.copy()
    order.shuffle(shuffled)
    try:
        first = _held_out(samples, 0.3, seed)
    except DataError:
        with pytest.raises(DataError):
            _held_out(shuffled, 0.3, seed)
        return
    assert _held_out(shuffled, 0.3, seed) == first


def test_seed_changes_the_choice() -> None:
    rows = _numbered(200)
    assert _held_out(rows, seed=1) == _held_out(rows, seed=1) != _held_out(rows, seed=2)


def test_new_rows_move_few_old_ones() -> None:
    """A row's draw follows from its content: ten percent more rows must not draw all anew."""
    before, after = _held_out(_numbered(1000)), _held_out(_numbered(1100))
    assert len(before & after) >= 85


@pytest.mark.parametrize(
    ("one", "other"),
    [("What?", "what?"), ("a b", " a\n\tb "), ("ABC", "\uff21\uff22\uff23"), ("Straße", "STRASSE")],
)
def test_prompts_that_look_the_same_stay_together(one: str, other: str) -> None:
    rows = [*_numbered(8), _row(one, "x", number=8), _row(other, "y", number=9)]
    for seed in range(20):
        sides = split_rows(rows, 0.4, seed)
        assert sides[8] == sides[9]


def test_rows_of_one_prompt_cannot_be_split() -> None:
    with pytest.raises(DataError, match="share one prompt") as caught:
        split_rows([_row("a", "b"), _row("A ", "c")], 0.5, 0)
    assert caught.value.where == "data.eval.split" and "sources" in str(caught.value.cure)


def test_texts() -> None:
    texts = [Sample("a.txt", n, text=f"text {n // 2}") for n in range(40)]
    sides = split_rows(texts, 0.25, 0)
    assert 8 <= sum(sides) <= 12 and sides[::2] == sides[1::2]


def test_a_large_cluster_does_not_swallow_the_training_rows() -> None:
    rows = [_row("same", f"{n}", number=n) for n in range(90)] + [
        _row(f"q{n}", number=90 + n) for n in range(10)
    ]
    for seed in range(10):
        sides = split_rows(rows, 0.1, seed)
        assert 1 <= sum(sides) <= 15 and not any(sides[:90])


def test_duplicates_stay_together() -> None:
    rows = _numbered(40)
    together = [number // 2 for number in range(40)]
    for seed in range(5):
        sides = split_rows(rows, 0.3, seed, together=together)
        assert sides[::2] == sides[1::2] and 10 <= sum(sides) <= 14
        folds = fold_rows(rows, 4, seed, together=together)
        assert folds[::2] == folds[1::2]


@settings(max_examples=100, deadline=None)
@given(rows=ROWS, folds=st.integers(2, 5), seed=st.integers(0, 5))
def test_folds_share_no_prompt_and_no_group(
    rows: list[tuple[str, str, str | None]], folds: int, seed: int
) -> None:
    samples = [_row(*row, number=number) for number, row in enumerate(rows)]
    try:
        parts = fold_rows(samples, folds, seed)
    except DataError as error:
        assert "may be parted" in error.problem
        return
    assert set(parts) == set(range(1, folds + 1))
    for key in (0, 2):
        of_value: dict[str, int] = {}
        for row, part in zip(rows, parts, strict=True):
            if row[key] is not None:
                assert of_value.setdefault(row[key], part) == part  # type: ignore[arg-type]


def test_folds_are_equal_and_follow_the_seed() -> None:
    rows = _numbered(103)
    parts = fold_rows(rows, 5, 1)
    assert sorted(parts.count(fold) for fold in range(1, 6)) == [20, 20, 21, 21, 21]
    assert parts == fold_rows(rows, 5, 1) != fold_rows(rows, 5, 2)


def test_rows_of_other_tasks() -> None:
    """Questions about one context stay together; tagged words and classified texts are told apart."""
    answers = (Answer("a", 0),)
    asked = [
        Sample("a", n, question=f"q{n}", context=f"context {n // 4}", answers=answers) for n in range(40)
    ]
    sides = split_rows(asked, 0.3, 0)
    assert all(len(set(sides[n : n + 4])) == 1 for n in range(0, 40, 4)) and any(sides)
    tagged = [Sample("a", n, tokens=("w", str(n)), tags=("O", "O")) for n in range(10)]
    classified = [Sample("a", n, text=f"text {n}", labels=("x",)) for n in range(10)]
    assert sum(split_rows(tagged, 0.3, 0)) == sum(split_rows(classified, 0.3, 0)) == 3
