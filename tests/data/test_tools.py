"""Tool calls as text: what is written is read back, and what is no call stays text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.data.sample import Message
from luthier.data.tools import as_text, parse_json_calls, parse_marked_calls

CALL = {"name": "get_time", "arguments": {"zone": "UTC"}}
TOOL = {"name": "get_time", "description": "Zeit für 世界", "parameters": {"type": "object"}}

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {"name": st.text(min_size=1, max_size=8), "arguments": st.dictionaries(st.text(), JSON)}
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(calls=CALLS, said=st.sampled_from(["", "Let me look.", "多 words\nlines"]))
def test_calls_are_read_back(calls: list[dict[str, Any]], said: str) -> None:
    (turn,) = as_text([Message("assistant", said, tool_calls=tuple(calls))], ())
    assert turn.role == "assistant" and not turn.tool_calls
    assert parse_marked_calls(turn.content) == (said, calls)


@settings(max_examples=100, deadline=None)
@given(calls=CALLS, mark=st.sampled_from(["", "[TOOL_CALLS]", " [TOOL_CALLS] ", "<|python_tag|>"]))
def test_calls_in_json_are_read_back(calls: list[dict[str, Any]], mark: str) -> None:
    assert parse_json_calls(mark + json.dumps(calls)) == ("", calls)
    assert parse_json_calls(mark + json.dumps({"name": "a", "parameters": {"b": 1}})) == (
        "", [{"name": "a", "arguments": {"b": 1}}],
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(["<tool_call>", "</tool_call>", '{"name": "a"', "}", "\n", "x", '"', "{", "[]"])
    )
)
def test_any_text_is_read_without_error_and_nothing_is_lost_without_a_call(pieces: list[str]) -> None:
    text = "".join(pieces)
    for parse in (parse_marked_calls, parse_json_calls):
        said, calls = parse(text)
        assert calls or said == text


@pytest.mark.parametrize(
    "text",
    [
        "plain words",
        "<tool_call>{broken}</tool_call>",
        '<tool_call>{"arguments": {}}</tool_call>',
        '<tool_call>{"name": 3}</tool_call>',
        '<tool_call>["name"]</tool_call>',
        '<tool_call>{"name": "a"}',
        '{"name": "Ann", "age": 3}',
        "[]",
        "[1]",
        '"name"',
        '[{"name": "a", "arguments": {}}, 3]',
        "{" * 5000,
        "<tool_call>" + "[" * 200_000,
    ],
)
def test_what_is_no_call_stays_text(text: str) -> None:
    assert parse_marked_calls(text) == (text, [])
    assert parse_json_calls(text) == (text, [])


def test_deep_and_long_json_stays_text() -> None:
    """What a model writes is not to be trusted: no answer may raise an error in the server."""
    for text in ("[" * 200_000, "9" * 5000):
        assert parse_json_calls(text) == (text, [])
        assert parse_marked_calls(f"<tool_call>{text}") == (f"<tool_call>{text}", [])


def test_call_without_arguments() -> None:
    assert parse_marked_calls('<tool_call>\n{"name": "stop"}\n</tool_call>') == (
        "",
        [{"name": "stop", "arguments": {}}],
    )


def test_a_broken_block_does_not_hide_a_call() -> None:
    text = f"<tool_call>broken</tool_call><tool_call>{json.dumps(CALL)}</tool_call>"
    assert parse_marked_calls(text) == ("<tool_call>broken</tool_call>", [CALL])


class TestAsText:
    def test_tools_stand_in_the_system_turn(self) -> None:
        first, *others = as_text([Message("system", "Be brief."), Message("user", "q")], [TOOL])
        assert first.role == "system" and first.content.startswith("Be brief.\n\n")
        assert json.dumps(TOOL, ensure_ascii=False) in first.content and others == [Message("user", "q")]

    def test_tools_make_a_system_turn_where_there_is_none(self) -> None:
        turns = as_text([Message("user", "q")], [TOOL])
        assert [turn.role for turn in turns] == ["system", "user"]

    def test_without_tools_nothing_changes(self) -> None:
        turns = [Message("system", "s"), Message("user", "q"), Message("assistant", "a", weight=0)]
        assert as_text(turns, ()) == turns

    def test_results_that_follow_each_other_share_a_turn(self) -> None:
        turns = as_text(
            [Message("tool", "1"), Message("tool", "2"), Message("assistant", "a"), Message("tool", "3")], ()
        )
        assert [turn.role for turn in turns] == ["user", "assistant", "user"]
        assert turns[0].content.count("<tool_response>") == 2

    def test_weight_of_a_calling_turn_is_kept(self) -> None:
        (turn,) = as_text([Message("assistant", "", tool_calls=(CALL,), weight=0)], ())
        assert turn.weight == 0

    def test_arguments_as_json_text_are_written_as_an_object(self) -> None:
        (turn,) = as_text(
            [Message("assistant", "", tool_calls=({"name": "a", "arguments": '{"b": 1}'},))], ()
        )
        assert parse_marked_calls(turn.content)[1] == [{"name": "a", "arguments": {"b": 1}}]
