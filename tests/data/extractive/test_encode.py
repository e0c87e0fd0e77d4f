"""Questions become windows with start and end; what cannot be answered is left out with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.data.example import Rejection
from luthier.data.extractive.encode import SpanEncoder
from luthier.data.sample import Answer, Sample
from tests.data.tagging.tokenizers_of_words import bert

CONTEXT = "Empire states, unbelievable: one two."


def sample(*answers: Answer, question: str = "one state", context: str = CONTEXT) -> Sample:
    return Sample("q.json", 7, question=question, context=context, answers=answers)


def encoder(**changes: Any) -> SpanEncoder:
    keys = {"doc_stride": 2, "may_be_none": False, "max_length": 40, "too_long": "truncate"}
    return SpanEncoder(bert(), **{**keys, **changes})


def test_the_first_answer_is_trained() -> None:
    first = Answer("unbelievable", CONTEXT.index("unbelievable"))
    (example,) = encoder()(sample(first, Answer("one", CONTEXT.index("one"))))  # type: ignore[misc]
    start, end = example.labels.tolist()
    assert bert().convert_ids_to_tokens(example.input_ids[start : end + 1]) == ["un", "##believ", "##able"]
    assert example.target == "row" and example.num_supervised == 1
    assert example.token_type_ids is not None and example.token_type_ids[start] == 1


def test_windows_without_the_answer_point_to_the_first_token() -> None:
    answer = Answer("two", CONTEXT.index("two"))
    examples = encoder(max_length=11)(sample(answer))
    assert isinstance(examples, list) and len(examples) > 1
    assert [0, 0] in [e.labels.tolist() for e in examples] and examples[-1].labels.tolist() != [0, 0]


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        (sample(), "no_answer", "version_2_with_negative"),
        (sample(Answer("two", 3)), "answer_at_other_offset", "character 3"),
        (sample(Answer("one", 29), question="one two " * 30), "question_too_long", "data.max_length 40"),
        (sample(Answer("one", 29), context="\u200b"), "empty_context", "no token"),
        (Sample("a.txt", 1, text="one"), "not_question_answering", "raw text"),
    ],
)
def test_rows_that_do_not_fit_are_left_out_with_a_reason(row: Sample, reason: str, detail: str) -> None:
    rejection = encoder()(row)
    assert isinstance(rejection, Rejection) and rejection.reason == reason and detail in rejection.detail


def test_rows_without_answer_are_trained_on_request() -> None:
    (example,) = encoder(may_be_none=True)(sample())  # type: ignore[misc]
    assert example.labels.tolist() == [0, 0]


def test_long_contexts_are_left_out_or_refused_on_request() -> None:
    row = sample(Answer("two", CONTEXT.index("two")))
    rejection = encoder(max_length=11, too_long="drop")(row)
    assert isinstance(rejection, Rejection) and rejection.reason == "too_long"
    with pytest.raises(DataError, match="needs 3 windows"):
        encoder(max_length=11, too_long="error")(row)
