"""Rows of a classification: encoded with their class as the label of the row, or left out with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.data.classification.encode import ClassificationEncoder
from luthier.data.encode import LearningEncoder
from luthier.data.example import Example, Rejection
from luthier.data.sample import Message, Sample
from tests.models.tiny_chat import make_chat_tokenizer

TRAIN = [Sample("a.csv", n, text=f"row {n}", labels=(label,)) for n, label in enumerate("abbb", start=1)]


def _encoder(problem: Any = "single_label", **changes: Any) -> ClassificationEncoder:
    options = {"labels": None, "class_weights": "none", "max_length": 32, "too_long": "truncate", **changes}
    encoder = ClassificationEncoder(make_chat_tokenizer(), problem, **options)
    encoder.learn(TRAIN)
    return encoder


def _sample(**changes: Any) -> Sample:
    return Sample("b.csv", 9, **{"text": "what is it?", "labels": ("b",), **changes})


def _one(encoder: ClassificationEncoder, sample: Sample) -> Example:
    found = encoder(sample)
    assert isinstance(found, list)
    (example,) = found
    return example


def test_it_learns_before_it_encodes() -> None:
    assert isinstance(_encoder(), LearningEncoder)
    facts = _encoder().learn(TRAIN)
    other = _encoder()
    other.recall(facts)
    assert other.classes is not None and other.classes.labels == ("a", "b")


def test_the_class_is_the_label_of_the_row() -> None:
    example = _one(_encoder(), _sample())
    assert example.target == "row" and example.labels.tolist() == [1] and example.num_supervised == 1
    assert example.place == "b.csv, row 9"


def test_several_labels_are_hot() -> None:
    encoder = _encoder("multi_label")
    assert _one(encoder, _sample(labels=("b", "a"))).labels.tolist() == [1, 1]
    assert _one(encoder, _sample(labels=())).labels.tolist() == [0, 0]


def test_weights_of_row_and_class_multiply() -> None:
    encoder = _encoder(class_weights="balanced")
    assert _one(encoder, _sample(weight=3.0)).weight == pytest.approx(3 * 4 / (2 * 3))
    assert _one(encoder, _sample(labels=("a",))).weight == pytest.approx(4 / (2 * 1))


@pytest.mark.parametrize(
    ("sample", "reason", "words"),
    [
        (_sample(labels=("x",)), "unknown_label", "'x' is no class of the training rows"),
        (_sample(labels=None), "no_label", "needs a text with its label, this row is raw text"),
        (_sample(labels=()), "no_label", "problem: multi_label"),
        (_sample(labels=("a", "b")), "several_labels", "2 labels; problem: multi_label"),
        (Sample("b", 1, messages=(Message("user", "x"),)), "not_classification", "a conversation"),
    ],
)
def test_rows_that_do_not_fit_are_left_out_with_a_reason(sample: Sample, reason: str, words: str) -> None:
    found = _encoder()(sample)
    assert isinstance(found, Rejection)
    assert found.reason == reason and words in found.detail


def test_long_rows_by_the_recipes_word() -> None:
    long = _sample(text="the lazy dog " * 40)
    cut = _one(_encoder(), long)
    assert len(cut.input_ids) == 32 and cut.num_truncated > 0
    dropped = _encoder(too_long="drop")(long)
    assert isinstance(dropped, Rejection) and dropped.reason == "too_long"
    with pytest.raises(DataError, match="data.max_length is 32"):
        _encoder(too_long="error")(long)
