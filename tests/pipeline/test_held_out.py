"""Held-out rows that are left out, cut or divided are told before anything is measured on them."""

from __future__ import annotations

from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.data.encode import ChatEncoder, TextEncoder
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.objectives.language_modeling import LanguageModeling
from luthier.pipeline.held_out import ReadRows, encode_rows
from tests.data.chat_templates import CHATML, make_tokenizer

TOKENIZER = make_tokenizer(CHATML)


def chat(row: int, num_words: int) -> Sample:
    return Sample("a.jsonl", row, (Message("user", "say it"), Message("assistant", "word " * num_words)))


def judged(encoder: Any, *samples: Sample) -> ReadRows:
    objective = LanguageModeling(encoder, packing=False, pad_token_id=0)
    return encode_rows(list(samples), objective, "eval")


def chats(*samples: Sample, too_long: Any = "truncate") -> ReadRows:
    encoder = ChatEncoder(ChatTemplate(TOKENIZER), loss_on="assistant", max_length=60, too_long=too_long)
    return judged(encoder, *samples)


def texts(*contents: str) -> ReadRows:
    samples = [Sample("t.txt", row, text=text) for row, text in enumerate(contents, start=1)]
    return judged(TextEncoder(TOKENIZER, max_length=20), *samples)


def test_rows_that_fit_need_no_word() -> None:
    for read in (chats(chat(1, 2), chat(2, 3)), texts("a few words", "others")):
        assert read.warning() == ""
        (split,) = read.told()["splits"].values()
        assert split["rows"] == 2 and split["truncated"]["rows"] == 0


def test_rows_that_are_cut_are_told() -> None:
    read = chats(chat(1, 2), chat(2, 400), chat(3, 400))
    told = read.told()["splits"]["eval"]
    assert told["rows"] == 3 and told["truncated"] == {
        "rows": 2,
        "first": ["a.jsonl, row 2", "a.jsonl, row 3"],
    }
    lost = sum(row.num_truncated for row in read.held_out.rows)
    assert lost > 100
    assert read.warning() == (
        f"2 held-out rows are longer than data.max_length, e.g. a.jsonl, row 2: their last {lost:,} tokens are not "
        "judged"
    )


def test_rows_that_are_dropped_are_told_beside_those_that_are_cut() -> None:
    read = chats(chat(1, 2), chat(2, 400), too_long="drop")
    assert "1 held-out row cannot be judged" in read.warning() and "at most 60" in read.warning()
    assert read.told()["left_out"]["too_long"]["rows"] == 1
    with pytest.raises(DataError, match="none of 1 row can be judged"):
        chats(chat(2, 400), too_long="drop")


def test_texts_that_are_read_in_blocks_are_told() -> None:
    read = texts("a few words", "word " * 200)
    blocks = len(read.held_out.rows) - 1
    assert len(read.held_out.samples) == 2  # as in a run, so that a task finds the windows of each
    assert blocks > 5 and read.told()["splits"]["eval"]["examples"] == blocks + 1
    assert read.warning() == (
        f"1 held-out text is longer than data.max_length, e.g. t.txt, row 2: it is judged in {blocks} blocks, "
        "none of which sees the one before"
    )
