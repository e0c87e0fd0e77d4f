"""Windows over contexts: those of Hugging Face's example, no token lost, answers where they stand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.extractive.windows import NoRoomError, PairTokenizer, positions_in, tokens_of_span
from tests.data.tagging.tokenizers_of_words import bert, byte_level

BERT, BYTE_LEVEL = bert(), byte_level()
QUESTION = "it's one state"
CONTEXT = "Empire states, unbelievable: one two. 天气很好 it one two unbelievable empire."


@given(st.integers(13, 40), st.integers(0, 4))
def test_windows_are_those_of_hugging_faces_example(max_length: int, doc_stride: int) -> None:
    """Reference: transformers' tokenizer with ``stride``, as its question-answering example calls it."""
    theirs = BERT(
        QUESTION,
        CONTEXT,
        truncation="only_second",
        max_length=max_length,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=True,
    )
    ours = PairTokenizer(BERT, max_length=max_length, doc_stride=doc_stride)(QUESTION, CONTEXT)
    assert [window.input_ids for window in ours] == theirs["input_ids"]
    assert [window.type_ids for window in ours] == theirs["token_type_ids"]
    for number, window in enumerate(ours):
        places = [n for n, part in enumerate(theirs.sequence_ids(number)) if part == 1]
        assert window.first_token == places[0]
        assert window.offsets == [tuple(theirs["offset_mapping"][number][n]) for n in places]
        assert window.null_token == 0


def test_a_decoder_reads_question_line_break_context_and_end() -> None:
    (window,) = PairTokenizer(BYTE_LEVEL, max_length=200, doc_stride=8)(QUESTION, CONTEXT)
    assert BYTE_LEVEL.decode(window.input_ids) == f"{QUESTION}\n{CONTEXT}{BYTE_LEVEL.eos_token}"
    assert window.null_token == len(window.input_ids) - 1 and set(window.type_ids) == {0}


def test_special_tokens_in_texts_are_characters() -> None:
    (window,) = PairTokenizer(BERT, max_length=60, doc_stride=2)("[SEP] state", "one [CLS] two")
    assert window.input_ids.count(BERT.sep_token_id) == 2 and window.input_ids.count(BERT.cls_token_id) == 1


@pytest.mark.parametrize("tokenizer", [BERT, BYTE_LEVEL])
@pytest.mark.parametrize(
    "answer", ["Empire states", "unbelievable", "天气", "很", "one two. 天气很好 it", "empire."]
)
def test_answers_stand_where_their_characters_do(tokenizer: Any, answer: str) -> None:
    start = CONTEXT.index(answer)
    whole = PairTokenizer(tokenizer, max_length=300, doc_stride=0)(QUESTION, CONTEXT)[0]
    span = tokens_of_span(whole.offsets, start, start + len(answer))
    found = False
    for window in PairTokenizer(tokenizer, max_length=44, doc_stride=14)(QUESTION, CONTEXT):
        first, last = positions_in(window, span)
        if first == window.null_token:
            covered = CONTEXT[window.offsets[0][0] : window.offsets[-1][1]]
            assert answer not in covered or last == window.null_token
            continue
        found = True
        read = slice(
            window.offsets[first - window.first_token][0], window.offsets[last - window.first_token][1]
        )
        # A token of the byte-level tokenizer may hold several Chinese characters.
        assert answer in CONTEXT[read] if tokenizer is BYTE_LEVEL else answer == CONTEXT[read]
    assert found


def test_a_question_without_answer_points_to_the_null_token() -> None:
    (window,) = PairTokenizer(BERT, max_length=60, doc_stride=2)(QUESTION, CONTEXT)
    assert positions_in(window, None) == (0, 0)


@pytest.mark.parametrize(
    ("question", "context", "reason"),
    [
        (QUESTION * 9, CONTEXT, "question_too_long"),
        ("\u200b", CONTEXT, "empty_question"),
        (QUESTION, "\u200b", "empty_context"),
    ],
)
def test_no_room_is_told(question: str, context: str, reason: str) -> None:
    with pytest.raises(NoRoomError) as error:
        PairTokenizer(BERT, max_length=24, doc_stride=8)(question, context)
    assert error.value.reason == reason
