"""Classes of the training rows: found, counted, weighed as scikit-learn does, refused where they are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from luthier.core.errors import DataError
from luthier.data.classification.classes import Classes, find_classes
from luthier.data.sample import Sample


def _samples(*labels: Sequence[str] | None) -> list[Sample]:
    return [
        Sample("a.csv", number, text="t", labels=None if names is None else tuple(names))
        for number, names in enumerate(labels, start=1)
    ]


ROWS = _samples(["b"], ["a"], ["b"], ["b"], ["c"], None, ["a", "b"])


def test_classes_are_sorted_and_counted() -> None:
    found = find_classes(ROWS, "single_label")
    assert (found.labels, found.counts, found.num_rows) == (("a", "b", "c"), (1, 3, 1), 5)
    assert found.weights == (1.0, 1.0, 1.0)
    several = find_classes([*ROWS, *_samples([])], "multi_label")
    assert (several.counts, several.num_rows) == ((2, 4, 1), 7)


def test_named_classes_keep_their_order() -> None:
    assert find_classes(ROWS, "single_label", labels=("c", "a", "b")).labels == ("c", "a", "b")


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    found = find_classes(ROWS, "single_label", class_weights="balanced")
    y = ["b", "a", "b", "b", "c"]
    expected = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=y)
    assert found.weights == pytest.approx(tuple(expected))


def test_balanced_weights_of_several_labels_are_negative_over_positive_rows() -> None:
    found = find_classes(ROWS, "multi_label", class_weights="balanced")
    assert found.weights == pytest.approx((4 / 2, 2 / 4, 5 / 1))
    always = find_classes(_samples(["a"], ["a"]), "multi_label", class_weights="balanced")
    assert always.weights == (1.0,)


def test_own_weights() -> None:
    assert find_classes(ROWS, "single_label", class_weights={"c": 4.0}).weights == (1.0, 1.0, 4.0)


@pytest.mark.parametrize(
    ("samples", "options", "words"),
    [
        (_samples(None, None), {}, "no training row has a label"),
        (_samples(["a"], ["a"]), {}, "all 2 training rows have the class 'a'"),
        (ROWS, {"labels": ("a", "b", "c", "d")}, "1 of 4 classes have no training row: 'd'"),
        (ROWS, {"class_weights": {"x": 2.0}}, "'x' is no class"),
    ],
)
def test_what_cannot_be_learnt_is_refused(samples: list[Sample], options: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        find_classes(samples, "single_label", **options)
    assert caught.value.cure


def test_they_come_back_from_json() -> None:
    found = find_classes(ROWS, "single_label", class_weights="balanced")
    assert Classes.of_json(found.as_json()) == found
