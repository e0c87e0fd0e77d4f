"""Conversations as an example for each turn: the same supervised tokens as whole, prompts as they are served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from luthier.data.encode import ChatEncoder
from luthier.data.example import IGNORED, Example, Rejection
from luthier.data.expanded_turns import ExpandedTurns
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.parity import prove_prompts
from tests.models.tiny_chat import make_chat_tokenizer, save_chat_folder

TURNS = (
    Message("user", "What is the time?"),
    Message("assistant", "It is noon."),
    Message("user", "And now?"),
    Message("assistant", "It is noon still."),
)
SAMPLE = Sample("made.json", 7, messages=TURNS)


def _encoders(max_length: int = 256, too_long: str = "truncate") -> tuple[ChatEncoder, ExpandedTurns]:
    template = ChatTemplate(make_chat_tokenizer())
    kinds = [
        ChatEncoder(template, loss_on=on, max_length=max_length, too_long=too_long)  # type: ignore[arg-type]
        for on in ("assistant", "last_turn")
    ]
    return kinds[0], ExpandedTurns(kinds[1], template)


def _examples(result: list[Example] | Rejection) -> list[Example]:
    assert not isinstance(result, Rejection), result
    return result


def _supervised(examples: list[Example]) -> list[int]:
    return [token for e in examples for token in e.labels[1:][e.labels[1:] != IGNORED].tolist()]


def test_the_same_tokens_are_supervised_as_whole() -> None:
    whole, expanded = _encoders()
    one, many = _examples(whole(SAMPLE)), _examples(expanded(SAMPLE))
    assert (len(one), len(many)) == (1, 2)
    assert _supervised(many) == _supervised(one)
    np.testing.assert_array_equal(many[-1].input_ids, one[0].input_ids)
    assert sum(len(e.input_ids) for e in many) > len(one[0].input_ids)
    assert {e.place for e in many} == {SAMPLE.place}


def test_a_turn_has_its_weight() -> None:
    turns = (TURNS[0], replace(TURNS[1], weight=0.5), TURNS[2], replace(TURNS[3], weight=3))
    whole, expanded = _encoders()
    sample = replace(SAMPLE, messages=turns, weight=2.0)
    assert [e.weight for e in _examples(expanded(sample))] == [1.0, 6.0]
    refused = whole(sample)
    assert (
        isinstance(refused, Rejection)
        and refused.reason == "turn_weight"
        and "expand_turns" in refused.detail
    )


def test_a_muted_turn_is_no_example() -> None:
    _, expanded = _encoders()
    muted = replace(SAMPLE, messages=(TURNS[0], replace(TURNS[1], weight=0), *TURNS[2:]))
    assert len(_examples(expanded(muted))) == 1
    silent = replace(SAMPLE, messages=(TURNS[0], replace(TURNS[1], weight=0)))
    refused = expanded(silent)
    assert isinstance(refused, Rejection) and refused.reason == "no_labels"


def test_turns_that_do_not_fit_are_counted() -> None:
    whole, expanded = _encoders()
    first, second = _examples(expanded(SAMPLE))
    _, short = _encoders(max_length=len(first.input_ids))
    (kept,) = _examples(short(SAMPLE))
    assert kept.num_truncated == len(second.input_ids) - len(first.input_ids)
    _, cutting = _encoders(max_length=len(second.input_ids) - 1)
    assert [e.lost_end for e in _examples(cutting(SAMPLE))] == [
        False
    ]  # the second answer is left out, not cut
    _, dropping = _encoders(max_length=len(first.input_ids), too_long="drop")
    refused = dropping(SAMPLE)
    assert isinstance(refused, Rejection) and refused.reason == "too_long"


def test_each_prompt_is_the_one_that_is_served(tmp_path: Path) -> None:
    folder = save_chat_folder(tmp_path / "model")
    _, expanded = _encoders()
    rows = _examples(expanded(SAMPLE))
    proof = prove_prompts(folder, [SAMPLE], rows, loss_on="assistant")
    assert proof["prompts_equal"] == 2 and proof["end_tokens_that_stop"] == 2
    broken = replace(rows[0], input_ids=rows[0].input_ids + 1)
    with pytest.raises(Exception, match="other tokens"):
        prove_prompts(folder, [SAMPLE], [broken, rows[1]], loss_on="assistant")
