"""Adjudication: corrections before gold before ratings; ties and doubts decide nothing; nothing is lost on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.data.annotation.adjudicate import adjudicate, how_decided, write_decisions
from luthier.data.annotation.items import Item


def test_what_goes_before_what(make_items: Callable[..., list[Item]]) -> None:
    items = make_items(gold="  b b", ann="aaaaa", bea="abaaa", cem="a aa")
    items[3] = replace(items[3], corrected="c")
    items[4] = replace(items[4], corrected="c")
    found = adjudicate([*items, Item("x", {})], "abc")
    assert [(d.label, d.how, d.obstacle) for d in found] == [
        ("a", "vote", None),
        (None, "vote", "tie"),
        ("b", "gold", None),
        ("c", "correction", None),
        ("c", "correction", None),
        (None, "vote", "unrated"),
    ]
    assert [d.num_ratings for d in found] == [3, 2, 3, 3, 2, 0]
    assert how_decided(found) == {
        "correction": 2,
        "vote": 1,
        "undecided: tie": 1,
        "gold": 1,
        "undecided: unrated": 1,
    }


def test_min_confidence(make_items: Callable[..., list[Item]]) -> None:
    items = make_items(ann="aa", bea="aa", cem="ab")
    assert [d.label for d in adjudicate(items, "ab", min_confidence=0.7)] == ["a", None]
    assert adjudicate(items, "ab", min_confidence=0.7)[1].obstacle == "unsure"
    assert adjudicate(items, "ab")[1].confidence == pytest.approx(2 / 3)


def test_dawid_skene_overrules_raters_that_gold_unmasks(make_items: Callable[..., list[Item]]) -> None:
    truth = "abba" * 10
    wrong = truth.translate(str.maketrans("ab", "ba"))
    items = make_items(gold=truth[:24], good=truth, bad=wrong, worse=wrong)
    by_vote, by_model = (adjudicate(items, "ab", by)[24:] for by in ("vote", "dawid-skene"))
    assert "".join(str(d.label) for d in by_vote) == wrong[24:]
    assert "".join(str(d.label) for d in by_model) == truth[24:]
    assert all(d.how == "dawid-skene" and d.confidence > 0.9 for d in by_model)


def test_counts_have_votes_but_no_raters() -> None:
    items = [Item("1", {}, counts={"a": 2, "b": 1}), Item("2", {}, counts={"a": 1, "b": 1})]
    assert [d.label for d in adjudicate(items, "ab")] == ["a", None]
    with pytest.raises(DataError, match="5 ratings are counts without raters"):
        adjudicate(items, "ab", "dawid-skene")


def test_an_unknown_label_names_rater_and_row(make_items: Callable[..., list[Item]]) -> None:
    with pytest.raises(DataError, match="row r1, rater ann: 'x' is not a label"):
        adjudicate(make_items(ann="ax"), "ab")


def test_written_rows(tmp_path: Path, make_items: Callable[..., list[Item]]) -> None:
    items = make_items(ann="aab", bea="ab ")
    path = tmp_path / "out.jsonl"
    write_decisions(path, items, adjudicate(items, "ab"), question="意图", confidence_field="sure")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows == [
        {"text": "text 0", "意图": "a", "sure": 1.0},
        {"text": "text 2", "意图": "b", "sure": 1.0},
    ]
    rejected = json.loads((tmp_path / "out.jsonl.rejected.jsonl").read_text())
    assert rejected == {"row": "r1", "reason": "tie", "votes": {"a": 1, "b": 1}, "raw": {"text": "text 1"}}
    write_decisions(path, items[:1], adjudicate(items[:1], "ab"))
    assert not (tmp_path / "out.jsonl.rejected.jsonl").exists()
