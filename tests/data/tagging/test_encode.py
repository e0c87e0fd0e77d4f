"""Rows of words with tags become examples; what does not fit is left out with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.data.example import IGNORED, Rejection
from luthier.data.sample import Sample
from luthier.data.tagging.encode import TagEncoder
from tests.data.tagging.test_tag_set import samples
from tests.data.tagging.tokenizers_of_words import bert

TRAIN = samples("one/B-x unbelievable/I-x two/O")


def encoder(**changes: Any) -> TagEncoder:
    keys = {
        "scheme": "auto",
        "invalid_tags": "reject",
        "label_on": "first",
        "max_length": 32,
        "too_long": "truncate",
    }
    made = TagEncoder(bert(), **{**keys, **changes})
    made.learn(TRAIN)
    return made


def test_a_row_becomes_tokens_with_a_label_per_word() -> None:
    (example,) = encoder()(TRAIN[0])  # type: ignore[misc]
    assert example.target == "token" and example.num_supervised == 3
    assert example.labels.tolist() == [IGNORED, 1, 2, IGNORED, IGNORED, 0, IGNORED]


def test_long_rows_are_divided_between_words() -> None:
    row = samples("one/B-x unbelievable/I-x two/O one/O")[0]
    examples = encoder(max_length=6)(row)
    assert isinstance(examples, list) and len(examples) == 2
    assert sum(example.num_supervised for example in examples) == 4
    assert {example.row for example in examples} == {1}


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        (samples("one/B-y")[0], "unknown_tag", "'B-y' at word 1 is no tag of the training rows"),
        (samples("one/O two/I-x")[0], "broken_tags", "I-x at word 2"),
        (Sample("a.txt", 1, text="one"), "not_token_classification", "raw text"),
    ],
)
def test_rows_that_do_not_fit_are_left_out_with_a_reason(row: Sample, reason: str, detail: str) -> None:
    rejection = encoder()(row)
    assert isinstance(rejection, Rejection) and rejection.reason == reason and detail in rejection.detail


def test_broken_tags_are_repaired_on_request() -> None:
    (example,) = encoder(invalid_tags="repair")(samples("one/O two/I-x")[0])  # type: ignore[misc]
    assert example.labels.tolist() == [IGNORED, 0, 1, IGNORED]


def test_long_rows_are_left_out_or_refused_on_request() -> None:
    rejection = encoder(max_length=6, too_long="drop")(TRAIN[0])
    assert isinstance(rejection, Rejection) and rejection.reason == "too_long"
    with pytest.raises(DataError, match=r"t\.conll, row 1"):
        encoder(max_length=6, too_long="error")(TRAIN[0])
