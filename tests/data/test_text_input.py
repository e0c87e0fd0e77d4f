"""One text or two as the input of a head: the tokenizer's own form, cut so that its marks stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from luthier.data.text_input import TextInputs
from luthier.models.catalogue import CATALOGUE
from tests.models.tiny_chat import make_chat_tokenizer


@pytest.fixture(scope="module")
def bert() -> Any:
    entry = CATALOGUE["minilm"]
    if not entry.is_installed:
        pytest.skip(f"needs {entry.package}")
    folder: Path = entry.path()
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def test_it_is_what_the_tokenizer_makes(bert: Any) -> None:
    for texts in (("How do I top up?",), ("A man sleeps.", "Nobody is awake.")):
        read, expected = TextInputs(bert, max_length=64)(*texts), bert(*texts)
        assert read.input_ids.tolist() == expected["input_ids"]
        assert read.num_truncated == read.num_escaped == 0
        types = (
            [0] * len(expected["input_ids"]) if read.token_type_ids is None else read.token_type_ids.tolist()
        )
        assert types == expected["token_type_ids"]
    assert TextInputs(bert, max_length=64)("one").token_type_ids is None


def test_too_long_texts_lose_their_end_and_keep_the_marks(bert: Any) -> None:
    read = TextInputs(bert, max_length=6)("one two three four five six seven")
    assert bert.convert_ids_to_tokens(read.input_ids.tolist()) == [
        "[CLS]",
        "one",
        "two",
        "three",
        "four",
        "[SEP]",
    ]
    assert read.num_truncated == 3
    pair = TextInputs(bert, max_length=8)("one two three four five six seven", "nine ten")
    tokens = bert.convert_ids_to_tokens(pair.input_ids.tolist())
    assert tokens == ["[CLS]", "one", "two", "three", "[SEP]", "nine", "ten", "[SEP]"]
    assert pair.num_truncated == 4


def test_special_tokens_in_a_text_are_characters(bert: Any) -> None:
    read = TextInputs(bert, max_length=64)("a [SEP] b [PAD]")
    assert read.num_escaped == 2
    assert read.input_ids.tolist().count(bert.sep_token_id) == 1
    assert bert.pad_token_id not in read.input_ids


def test_a_decoder_gets_a_line_break_between_two_texts() -> None:
    tokenizer = make_chat_tokenizer()
    read = TextInputs(tokenizer, max_length=64)("one", "two")
    assert tokenizer.decode(read.input_ids) == "one\ntwo"
    assert read.token_type_ids is None
