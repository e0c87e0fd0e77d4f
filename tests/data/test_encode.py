"""Encoding: cut at whole turns, every lost token counted, nothing without a label kept."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.encode import ChatEncoder, TextEncoder
from luthier.data.example import IGNORED, Example, Rejection
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from tests.data.chat_templates import CHATML, LLAMA3, make_tokenizer

TURNS = (
    Message("user", "first question"),
    Message("assistant", "first answer"),
    Message("user", "second question"),
    Message("assistant", "second answer"),
)
ROW = Sample("a.jsonl", 3, messages=TURNS)


@cache
def _template() -> ChatTemplate:
    return ChatTemplate(make_tokenizer(CHATML))


def _encode(sample: Sample = ROW, **changes: Any) -> Example | Rejection:
    settings_: dict[str, Any] = {"loss_on": "assistant", "max_length": 500, "too_long": "truncate", **changes}
    result = ChatEncoder(_template(), **settings_)(sample)
    if isinstance(result, Rejection):
        return result
    (example,) = result
    return example


def _kept(sample: Sample = ROW, **changes: Any) -> Example:
    example = _encode(sample, **changes)
    assert isinstance(example, Example)
    return example


def _rejected(sample: Sample = ROW, **changes: Any) -> Rejection:
    rejection = _encode(sample, **changes)
    assert isinstance(rejection, Rejection)
    return rejection


def _length(count: int) -> int:
    """Return the tokens of the first ``count`` turns, up to the last end token."""
    return _template().encode(TURNS[:count]).turn_ends[-1]


class TestConversations:
    def test_example_ends_at_the_last_label(self) -> None:
        example = _kept()
        assert example.input_ids.tolist() == _template().encode(TURNS).input_ids[: _length(4)]
        assert example.labels[-1] == _template().end_token_id
        assert (example.source, example.row, example.num_truncated, example.lost_end) == (
            "a.jsonl",
            3,
            0,
            False,
        )

    def test_question_at_the_end_is_left_out(self) -> None:
        longer = replace(ROW, messages=(*TURNS, Message("user", "unanswered")))
        assert _kept(longer).input_ids.tolist() == _kept().input_ids.tolist()
        assert _kept(longer, max_length=_length(4)).num_truncated == 0

    def test_num_supervised_counts_the_labels_that_enter_the_loss(self) -> None:
        example = _kept()
        assert example.num_supervised == int((example.labels != IGNORED).sum())
        everything = _kept(loss_on="all")
        assert everything.num_supervised == len(everything.input_ids) - 1  # the first has no prediction

    def test_text_is_refused(self) -> None:
        assert _rejected(Sample("a.txt", 1, text="words")).reason == "not_a_conversation"

    def test_all_turns_of_weight_zero(self) -> None:
        muted = tuple(replace(turn, weight=0) for turn in TURNS)
        assert _rejected(replace(ROW, messages=muted)).reason == "no_labels"

    def test_last_turn_of_weight_zero_with_loss_on_last_turn(self) -> None:
        muted = (*TURNS[:3], replace(TURNS[3], weight=0))
        assert _rejected(replace(ROW, messages=muted), loss_on="last_turn").reason == "no_labels"

    def test_reason_of_the_template_is_kept(self) -> None:
        forged = replace(ROW, messages=(Message("user", "\U000f0000<|im_end|>"), TURNS[1]))
        rejection = _rejected(forged)
        assert (rejection.reason, rejection.row) == ("special_token_in_content", 3)

    def test_special_text_is_counted(self) -> None:
        assert _kept(replace(ROW, messages=(Message("user", "<|im_end|>"), TURNS[1]))).num_escaped == 1

    def test_tools_that_the_template_does_not_know_are_told_where_a_row_has_some(self) -> None:
        call = Message("assistant", "", ({"name": "f", "arguments": {}},))
        assert not _kept().tools_as_text
        assert _kept(replace(ROW, messages=(TURNS[0], call))).tools_as_text
        assert _kept(replace(ROW, tools=({"name": "f"},))).tools_as_text


class TestTooLong:
    def test_exact_length_is_not_too_long(self) -> None:
        for choice in ("truncate", "drop", "error"):
            assert _kept(max_length=_length(4), too_long=choice).num_truncated == 0

    @pytest.mark.parametrize("max_length", ["one less", "first turn"])
    def test_truncate_keeps_whole_turns(self, max_length: str) -> None:
        limit = _length(4) - 1 if max_length == "one less" else _length(2)
        example = _kept(max_length=limit)
        assert example.input_ids.tolist() == _kept(replace(ROW, messages=TURNS[:2])).input_ids.tolist()
        assert example.labels[-1] == _template().end_token_id
        assert (example.num_truncated, example.lost_end) == (_length(4) - _length(2), False)

    def test_first_answer_is_cut_and_its_end_counted_as_lost(self) -> None:
        example = _kept(max_length=_length(2) - 1)
        assert len(example.input_ids) == _length(2) - 1 and example.lost_end
        assert example.num_truncated == _length(4) - _length(2) + 1
        assert example.labels[-1] != _template().end_token_id

    def test_prompt_that_fills_everything_is_rejected(self) -> None:
        prompt = len(_template().prompt_ids(TURNS[:1]))
        assert _rejected(max_length=prompt).reason == "no_labels"
        assert _kept(max_length=prompt + 1).num_supervised == 1

    def test_drop(self) -> None:
        rejection = _rejected(max_length=_length(4) - 1, too_long="drop")
        assert rejection.reason == "too_long" and f"{_length(4)} tokens" in rejection.detail

    def test_error_names_row_and_length(self) -> None:
        with pytest.raises(DataError, match=f"{_length(4)} tokens") as caught:
            _encode(max_length=_length(4) - 1, too_long="error")
        assert caught.value.where == "a.jsonl, row 3"

    def test_loss_on_last_turn_never_trains_another(self) -> None:
        """The last answer does not fit: what is left carries no label, and the row must not be trained."""
        assert _rejected(loss_on="last_turn", max_length=_length(2)).reason == "no_labels"

    def test_loss_on_all_ends_at_a_whole_turn(self) -> None:
        example = _kept(loss_on="all", max_length=_length(4) - 1)
        assert (len(example.input_ids), example.lost_end) == (_length(2), False)

    @settings(max_examples=60, deadline=None)
    @given(limit=st.integers(1, 60), loss_on=st.sampled_from(["assistant", "last_turn", "all"]))
    def test_any_limit(self, limit: int, loss_on: str) -> None:
        result = _encode(max_length=limit, loss_on=loss_on)
        if isinstance(result, Rejection):
            assert result.reason == "no_labels"
            return
        whole = _kept(loss_on=loss_on)
        length = len(result.input_ids)
        assert length <= limit and result.num_supervised > 0
        assert length + result.num_truncated == len(whole.input_ids)
        assert result.input_ids.tolist() == whole.input_ids[:length].tolist()
        assert result.labels.tolist() == whole.labels[:length].tolist()
        ends = [end for end in _template().encode(TURNS, loss_on=loss_on).turn_ends if end <= limit]  # type: ignore[arg-type]
        assert result.lost_end == (not ends)


class TestText:
    def _encode(self, text: str, max_length: int, **changes: Any) -> list[Example]:
        result = TextEncoder(make_tokenizer(LLAMA3, **changes), max_length=max_length)(
            Sample("a.txt", 2, text=text)
        )
        assert isinstance(result, list)
        return result

    @settings(max_examples=80, deadline=None)
    @given(
        text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
        limit=st.integers(3, 20),
    )
    def test_blocks_join_to_the_document_and_its_end(self, text: str, limit: int) -> None:
        blocks = self._encode(text, limit)
        tokenizer = make_tokenizer(LLAMA3)
        ids = [token for block in blocks for token in block.input_ids.tolist()]
        assert ids[-1] == tokenizer.eos_token_id and ids.count(tokenizer.eos_token_id) == 1
        assert tokenizer.decode(ids[:-1], clean_up_tokenization_spaces=False) == text
        assert all(2 <= len(block.input_ids) <= limit for block in blocks)
        assert all(block.num_supervised == len(block.input_ids) - 1 for block in blocks)

    def test_begin_token_begins_the_document_once(self) -> None:
        tokenizer = make_tokenizer(LLAMA3, adds_bos=True)
        ids = [
            t for block in self._encode("one two three", 4, adds_bos=True) for t in block.input_ids.tolist()
        ]
        assert ids[0] == tokenizer.bos_token_id and ids.count(tokenizer.bos_token_id) == 1

    def test_special_tokens_in_the_text_are_characters(self) -> None:
        tokenizer = make_tokenizer(LLAMA3)
        (block,) = self._encode("a<|end_of_text|>b<|eot_id|>", 200)
        assert block.input_ids.tolist().count(tokenizer.eos_token_id) == 1
        assert tokenizer.decode(block.input_ids[:-1]) == "a<|end_of_text|>b<|eot_id|>"

    def test_conversation_is_refused(self) -> None:
        result = TextEncoder(make_tokenizer(LLAMA3), max_length=9)(ROW)
        assert isinstance(result, Rejection) and result.reason == "not_text"

    def test_no_end_token(self) -> None:
        with pytest.raises(DataError, match="no end token"):
            TextEncoder(make_tokenizer(LLAMA3, eos_token=None), max_length=9)

    @pytest.mark.parametrize("limit", [1, 2])
    def test_blocks_that_no_text_divides_into(self, limit: int) -> None:
        with pytest.raises(DataError, match="nothing to predict"):
            TextEncoder(make_tokenizer(LLAMA3), max_length=limit)

    @pytest.mark.parametrize("length", range(1, 14))
    def test_no_token_is_lost_in_the_smallest_blocks(self, length: int) -> None:
        assert sum(len(block.input_ids) for block in self._encode("0" * length, 3)) == length + 1
