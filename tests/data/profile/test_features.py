"""What is looked at in a sample, and under which name it is counted."""

from __future__ import annotations

import json

import pytest

from luthier.data.profile.features import attributes_of, classes_of, in_order, label_of, range_of, texts_of
from luthier.data.sample import Answer, Message, Sample
from tests.conftest import SHARED_VECTORS


def _tagged(*tags: str) -> Sample:
    return Sample("a", 1, tokens=tuple("x" for _ in tags), tags=tags)


@pytest.mark.parametrize(
    ("tags", "mentions"),
    [
        (("B-LOC", "I-LOC", "O", "B-LOC", "B-PER"), ["LOC", "LOC", "PER"]),
        (("I-LOC", "I-LOC", "I-PER", "O", "I-PER"), ["LOC", "PER", "PER"]),
        (("S-LOC", "S-LOC", "B-PER", "I-PER", "E-PER", "E-PER"), ["LOC", "LOC", "PER", "PER"]),
        (("NOUN", "NOUN", "O"), ["NOUN", "NOUN"]),
        (("O", "O"), []),
    ],
)
def test_mentions_are_counted_once(tags: tuple[str, ...], mentions: list[str]) -> None:
    assert classes_of(_tagged(*tags)) == mentions


def test_mentions_are_seqevals() -> None:
    """The package seqeval's own test of get_entities, from the vectors."""
    path = SHARED_VECTORS / "13_seqeval.json"
    if not path.is_file():
        pytest.skip(f"test vectors are not at {SHARED_VECTORS}")
    records = json.loads(path.read_text(encoding="utf-8"))["records"]
    asked = [record for record in records if record["function"] == "get_entities"]
    assert asked
    for record in asked:
        assert classes_of(_tagged(*record["input"]["tags"])) == [kind for kind, _, _ in record["expected"]]


def test_labels() -> None:
    assert label_of(Sample("a", 1, text="a", labels=("y", "x"))) == "x+y"
    assert label_of(Sample("a", 1, text="a", labels=())) == "(no label)"
    assert label_of(Sample("a", 1, text="a")) is None
    assert label_of(_tagged("B-PER", "O", "B-LOC", "B-PER")) == "LOC+PER"
    assert label_of(_tagged("O")) == "(no entity)"
    assert label_of(Sample("a", 1, question="q", context="c", answers=(Answer("c", 0),))) == "answerable"
    assert label_of(Sample("a", 1, question="q", context="c")) == "unanswerable"


def test_texts() -> None:
    turns = (
        Message("system", "s"),
        Message("user", "u"),
        Message("assistant", "v"),
        Message("user", "w"),
        Message("assistant", "x"),
    )
    assert texts_of(Sample("a", 1, messages=turns)) == {"prompt": "s\nu\nw", "answer": "v\nx"}
    assert texts_of(Sample("a", 1, text="t", text_pair="p", labels=("x",))) == {"text": "t", "text_pair": "p"}
    assert texts_of(Sample("a", 1, tokens=("北", "京"), tags=("O", "O"))) == {"text": "北 京"}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (3, "under 18"),
        (17.9, "under 18"),
        (18, "18–24"),
        (24, "18–24"),
        (64, "55–64"),
        (65, "65 and over"),
        (99, "65 and over"),
    ],
)
def test_ages(value: float, name: str) -> None:
    sample = Sample("a", 1, text="a", attributes={"Age": str(value)})
    assert attributes_of(sample, {}) == {"Age": name}


def test_own_ranges_and_what_is_no_number() -> None:
    sample = Sample("a", 1, text="a", attributes={"price": "15.5", "age": "old", "年龄": "30"})
    assert attributes_of(sample, {"price": [10, 20.5]}) == {
        "price": "10 to 20.5",
        "age": "old",
        "年龄": "25–34",
    }
    assert range_of(0.2, [0.5]) == "under 0.5" and range_of(0.5, [0.5]) == "0.5 and over"


def test_addresses_are_counted_by_their_host() -> None:
    sample = Sample("a", 1, text="a", attributes={"url": "https://Example.org/a?b", "site": "x"})
    assert attributes_of(sample, {}) == {"url": "example.org", "site": "x"}


def test_order_of_ranges() -> None:
    assert in_order(["100 and over", "10–19", "under 10", "20–99"]) == [
        "under 10",
        "10–19",
        "20–99",
        "100 and over",
    ]
    assert in_order(["b", "10–19", "a"]) == ["b", "10–19", "a"]
