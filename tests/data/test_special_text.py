"""Stand-ins for special tokens: swapped and restored without loss, the longest token first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from luthier.data.sample import Message
from luthier.data.special_text import SpecialText

TOKENS = ["<a>", "<a>b", "</s>", "<think>", "[INST]", "(.*)"]
SPECIAL = SpecialText(TOKENS, turn_marks=["</s>", "[INST]"])
TEXTS = st.lists(st.one_of(st.sampled_from([*TOKENS, "<", "a>", "b", "🙂"]), st.text(max_size=4))).map(
    "".join
)


def _has_stand_in(text: str) -> bool:
    return any(0xF0000 <= ord(character) <= 0xFFFFD for character in text)


@given(text=TEXTS.filter(lambda text: not _has_stand_in(text)))
def test_swapping_is_undone(text: str) -> None:
    swapped = SPECIAL.swap_message(Message("user", text)).content
    assert SPECIAL.restore(swapped) == text
    assert not SPECIAL.holds_special([Message("user", swapped)], [])
    assert SPECIAL.holds_special([Message("user", text)], []) == (swapped != text)
    pieces = SPECIAL.split(swapped)
    assert "".join(piece for _, piece in pieces) == text
    assert sum(is_plain for is_plain, _ in pieces) == SPECIAL.count(swapped)


def test_longest_token_wins() -> None:
    swapped = SPECIAL.swap_message(Message("user", "<a>bc")).content
    assert SPECIAL.split(swapped) == [(True, "<a>b"), (False, "c")]


def test_only_turn_marks_are_swapped_in_answers() -> None:
    swapped = SPECIAL.swap_message(Message("assistant", "<think>so</s>")).content
    assert SPECIAL.split(swapped) == [(False, "<think>so"), (True, "</s>")]


def test_calls_and_tools_are_swapped_throughout() -> None:
    call = {"name": "f", "arguments": {"</s>": ["</s>", {"x": "a</s>"}], "n": 3}}
    (swapped,) = SPECIAL.swap_message(Message("assistant", "", tool_calls=(call,))).tool_calls
    assert "</s>" not in str(swapped) and swapped["arguments"]["n"] == 3
    tool = SPECIAL.swap_tool({"name": "<a>", "parameters": {"enum": ("[INST]",)}})
    assert not SPECIAL.holds_special([], [tool])


def test_tail() -> None:
    assert SPECIAL.tail("word <a>\n</s> ".rstrip()) == [("<a>", 8), ("</s>", 13)]
    assert SPECIAL.tail("word") == [] == SPECIAL.tail("")


def test_no_tokens() -> None:
    empty = SpecialText([])
    assert not empty.holds_special([Message("user", "<a>")], []) and empty.tail("<a>") == []
