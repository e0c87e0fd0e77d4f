"""Distinct-n and lengths count words; a Chinese character is one."""

from __future__ import annotations

import pytest

from luthier.evaluate.distinct import distinct_figures, distinct_n
from luthier.evaluate.length import length_figures


@pytest.mark.parametrize(
    ("texts", "n", "value"),
    [
        (["a b a b"], 1, 0.5),
        (["a b a b"], 2, 2 / 3),  # ab, ba, ab
        (["a b", "a b"], 2, 0.5),
        (["好好好"], 1, 1 / 3),
        (["The the, THE"], 1, 1 / 3),
        (["one"], 2, 0.0),
        ([], 1, 0.0),
    ],
)
def test_distinct(texts: list[str], n: int, value: float) -> None:
    assert distinct_n(texts, n) == pytest.approx(value)


def test_each_answer_by_itself() -> None:
    assert distinct_figures(["a b a b", "a b", "", "x"], 2).tolist() == [[2, 3], [1, 1], [0, 0], [0, 0]]


def test_lengths() -> None:
    assert length_figures(["two words", ""], ["今天很好", "one"]).tolist() == [[2, 4], [0, 1]]
