"""Words of running text: nothing but blanks is lost, and they are those of tagged corpora."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from luthier.data.tagging.raw_text import words_of_text


def test_words_are_those_of_tagged_corpora() -> None:
    """The divisions of WNUT 2017's own files."""
    text = "@paulwalk It's the view from where I'm living. Empire State Building = ESB, e-mail 3.5%!"
    assert [word.text for word in words_of_text(text)] == [
        "@paulwalk", "It", "'s", "the", "view", "from", "where", "I", "'m", "living", ".", "Empire", "State",
        "Building", "=", "ESB", ",", "e-mail", "3.5", "%", "!",
    ]  # fmt: skip


def test_chinese_characters_stand_alone() -> None:
    assert [word.text for word in words_of_text("张三在IBM工作。")] == [
        "张",
        "三",
        "在",
        "IBM",
        "工",
        "作",
        "。",
    ]


@given(st.text(max_size=40))
def test_only_blanks_are_left_out(text: str) -> None:
    words = words_of_text(text)
    assert "".join(word.text for word in words) == "".join(text.split())
    assert all(text[word.start : word.end] == word.text for word in words)
