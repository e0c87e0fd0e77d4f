"""Text falls into pieces that make it again, and what must stay stays to the character."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.augment.deletion import Deletion
from luthier.data.augment.masking import Masking
from luthier.data.augment.segment import edit_text, join, pieces_of
from luthier.data.augment.swap import Swap

TEXTS = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("ab 的银行卡丢了。，{}`@.https://<>'\n123")),
    max_size=80,
)


@given(TEXTS)
def test_pieces_make_the_text_again(text):
    assert "".join(piece.text for piece in pieces_of(text)) == text


@pytest.mark.parametrize(
    "kept",
    [
        "{{name}}",
        "{amount}",
        "https://example.com/a?b=c",
        "me@example.com",
        "`pip install x`",
        "```\nfor x in y:\n```",
        "2.5%",
        "2021-03-04",
        "x86_64",
        "<b>",
        "@maria",
        "[MASK]",
    ],
)
def test_code_links_numbers_and_placeholders_are_not_words(kept):
    pieces = pieces_of(f"pay {kept} now")
    assert [piece.text for piece in pieces if piece.is_word] == ["pay", "now"]


def test_chinese_is_segmented_and_divided_from_english():
    pieces = pieces_of("我的银行卡丢了,card is 丢")
    assert [p.text for p in pieces if p.is_word] == ["我", "的", "银行卡", "丢", "了", "card", "is", "丢"]


def test_a_deleted_word_takes_one_space_along():
    class First:
        kind = "first"

        def edit_words(self, words, is_free, random):
            return {is_free.index(True): ()}

    assert edit_text("one two", First(), Random(0))[0] == "two"
    assert edit_text("( one two )", First(), Random(0))[0] == "( two )"
    assert edit_text("银行 卡", First(), Random(0))[0] == "卡"


def test_words_are_joined_as_their_language_writes():
    assert join(("my", "card")) == "my card"
    assert join(("银行", "卡")) == "银行卡"
    assert join(()) == ""


@given(TEXTS, st.data())
def test_frozen_spans_stay_and_are_found_again(text, data):
    bounds = data.draw(st.lists(st.integers(0, len(text)), max_size=4, unique=True).map(sorted))
    frozen = [(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=False)]
    frozen = [span for i, span in enumerate(frozen) if i == 0 or span[0] > frozen[i - 1][1]]
    operation = data.draw(st.sampled_from([Deletion(0.9), Masking(0.9), Swap(0.9)]))
    changed, starts = edit_text(text, operation, Random(1), frozen=frozen)
    assert len(starts) == len(frozen)
    for (start, end), now in zip(frozen, starts, strict=True):
        assert changed[now : now + end - start] == text[start:end]
