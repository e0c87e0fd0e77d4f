"""Words to tokens: every word keeps its tag, whatever a tokenizer does to it, and no row loses a word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.example import IGNORED
from luthier.data.tagging.words import WordTokenizer, labels_of, token_of_words
from tests.data.tagging.tokenizers_of_words import bert, byte_level, prepended

LABELS = {"O": 0, "B-x": 1, "I-x": 2}
BERT, BYTE_LEVEL, PREPENDED = bert(), byte_level(), prepended()


@pytest.mark.parametrize("make", [bert, byte_level])
def test_tokens_are_those_of_the_text(make: Any) -> None:
    tokenizer = make()
    words = ["one", "unbelievable", "state", "."]
    (window,), num_cut = WordTokenizer(tokenizer, max_length=64).windows(words)
    assert window.input_ids == tokenizer(" ".join(words))["input_ids"] and num_cut == 0


def test_bert_words_have_the_tokens_that_transformers_gives_them() -> None:
    """Reference: transformers' `word_ids` for pre-split words."""
    words = ["Unbelievable", "Empire", "state", "天气", "it's"]
    theirs = BERT(words, is_split_into_words=True)
    (window,), _ = WordTokenizer(BERT, max_length=64).windows(words)
    assert window.input_ids == theirs["input_ids"]
    spans = [(theirs.word_to_tokens(n).start, theirs.word_to_tokens(n).end) for n in range(len(words))]
    assert list(zip(window.starts, window.ends, strict=True)) == spans


def test_a_mark_is_not_put_before_a_word_twice() -> None:
    words = WordTokenizer(PREPENDED, max_length=16)
    assert words.windows(["one", "two"])[0][0].input_ids == [1, 3, 4]


def test_no_blank_stands_between_chinese_words() -> None:
    words = WordTokenizer(BYTE_LEVEL, max_length=64)
    (window,), _ = words.windows(["今天", "天气", "ok"])
    assert BYTE_LEVEL.decode(window.input_ids) == "今天天气ok"


def test_special_tokens_in_words_are_characters() -> None:
    (window,), _ = WordTokenizer(BERT, max_length=64).windows(["[SEP]", "state"])
    assert window.input_ids.count(BERT.sep_token_id) == 1
    (window,), _ = WordTokenizer(BYTE_LEVEL, max_length=64).windows(["<|im_end|>"])
    assert BYTE_LEVEL.eos_token_id not in window.input_ids


def test_a_word_that_vanishes_is_unknown_and_keeps_its_tag() -> None:
    (window,), _ = WordTokenizer(BERT, max_length=64).windows(["one", "\u200b", "two"])
    assert window.input_ids == [2, BERT.convert_tokens_to_ids("one"), 1, BERT.convert_tokens_to_ids("two"), 3]
    assert labels_of(window, ["O", "B-x", "O"], LABELS, "first") == [IGNORED, 0, 1, 0, IGNORED]


def test_labels_stand_on_first_last_or_all_pieces() -> None:
    words, tags = ["one", "unbelievable", "empires"], ["O", "B-x", "I-x"]
    (window,), _ = WordTokenizer(BERT, max_length=64).windows(words)
    no = IGNORED
    assert labels_of(window, tags, LABELS, "first") == [no, 0, 1, no, no, 2, no, no]
    assert labels_of(window, tags, LABELS, "last") == [no, 0, no, no, 1, no, 2, no]
    assert labels_of(window, tags, LABELS, "all") == [no, 0, 1, 2, 2, 2, 2, no]
    assert token_of_words(window, "last") == [1, 4, 6] and token_of_words(window, "all") == [1, 2, 5]


@given(
    st.lists(st.sampled_from(["one", "unbelievable", "天气", "\u200b", "state"]), min_size=1, max_size=30),
    st.integers(3, 12),
    st.sampled_from([BERT, BYTE_LEVEL]),
)
def test_windows_hold_every_word_once_in_order(words: list[str], max_length: int, tokenizer: Any) -> None:
    splitter = WordTokenizer(tokenizer, max_length=max_length)
    windows, num_cut = splitter.windows(words)
    tokens = splitter.tokens_of(words)
    at = 0
    for window in windows:
        assert window.first_word == at and len(window.input_ids) <= max_length
        for start, end in zip(window.starts, window.ends, strict=True):
            assert window.input_ids[start:end] == tokens[at][: splitter.num_word_tokens]
            at += 1
    assert at == len(words)
    assert num_cut == sum(max(0, len(own) - splitter.num_word_tokens) for own in tokens)


def test_no_room_for_a_word_is_refused() -> None:
    with pytest.raises(DataError, match="no room for a word"):
        WordTokenizer(BERT, max_length=2)


def test_slow_tokenizers_are_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(DataError, match="slow"):
        WordTokenizer(Slow(), max_length=8)
