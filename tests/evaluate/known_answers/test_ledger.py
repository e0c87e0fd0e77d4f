"""The ledger refuses what it is there for: silence, wrong values, and reasons for nothing."""

from __future__ import annotations

import pytest

from tests.evaluate.known_answers.ledger import Record, check

RECORD = Record(3, {"function": "f", "expected": {"a": 1.0, "b": {"c": [1, 2]}}, "tolerance": 0.1})
RIGHT = {"a": 1.05, "b.c": [1.0, 2.0]}


def test_cells_that_agree_pass() -> None:
    check(RECORD, {"f": lambda _: RIGHT}, {})
    check(RECORD, {}, {"f": "not offered"})
    check(RECORD, {"f": lambda _: {"a": 1}}, {"f#3/b.c": "not offered"})


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        (RIGHT, {"g": "another function"}),
        ({"a": 1.0}, {}),
        ({"a": 1.0}, {"f#2": "another record"}),
        ({**RIGHT, "a": 1.2}, {}),
        ({**RIGHT, "b.c": [1, 3]}, {}),
        ({**RIGHT, "a": float("nan")}, {}),
    ],
)
def test_what_is_wrong_or_left_out_fails(given: dict[str, object], reasons: dict[str, str]) -> None:
    if "g" in reasons:
        check(RECORD, {"f": lambda _: given}, reasons)  # a reason for another function changes nothing
        given = {}
    with pytest.raises(AssertionError, match="3-f"):
        check(RECORD, {"f": lambda _: given}, reasons)


def test_lists_of_another_length_fail() -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(RECORD, {"f": lambda _: {**RIGHT, "b.c": [1]}}, {})
