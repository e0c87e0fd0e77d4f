"""Rows to batches and back: nothing is lost, whatever stands in a row."""

import json

from hypothesis import given
from hypothesis import strategies as st

from luthier.data.operators.batch import (
    batches_of_rows,
    batches_of_samples,
    leave_out,
    rewrite_texts,
    rows_of,
    samples_of,
    text_paths,
)
from luthier.data.sample import Message, Sample

_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(_text, _json, max_size=4), min_size=1, max_size=5))
def test_every_row_comes_back_as_it_was(rows):
    batches = list(batches_of_rows(enumerate(rows, start=1), ["**"], source="f.jsonl", batch_rows=2))
    assert [row for batch in batches for row in rows_of(batch)] == rows


@given(st.lists(st.dictionaries(_text, _json, max_size=4), min_size=1, max_size=5))
def test_a_rewrite_reaches_every_text_and_notes_what_was(rows):
    (batch,) = batches_of_rows(enumerate(rows, start=1), ["**"], source="f.jsonl")
    changed = rewrite_texts(batch, "mark", lambda texts: [text + "!" for text in texts])
    for before, after, changes in zip(rows, rows_of(changed), changed["changes"].to_pylist(), strict=True):
        old = text_paths(before, ["**"])
        assert [text for _, text in text_paths(after, ["**"])] == [text + "!" for _, text in old]
        assert [(c["path"], c["before"]) for c in changes] == old


def test_fields_name_nested_texts_and_columns_with_dots():
    row = {"messages": [{"role": "user", "content": "a"}, {"content": ["b"]}], "x.y": "c", "n": 1}
    assert text_paths(row, ["messages.*.content"]) == [("/messages/0/content", "a")]
    assert text_paths(row, ["messages.**"]) == [
        ("/messages/0/role", "user"),
        ("/messages/0/content", "a"),
        ("/messages/1/content/0", "b"),
    ]
    assert text_paths(row, ["x.y", "n", "absent"]) == [("/x.y", "c")]


def test_samples_come_back_with_rewritten_texts():
    call = {"name": "f", "arguments": {"city": "rome"}}
    sample = Sample(
        "f.jsonl", 3, messages=(Message("user", "hi"), Message("assistant", "", tool_calls=(call,), weight=0))
    )
    (batch,) = batches_of_samples([sample])
    (back,) = samples_of(rewrite_texts(batch, "upper", lambda texts: [text.upper() for text in texts]))
    assert back.messages[0].content == "HI"
    assert back.messages[1].tool_calls == ({"name": "f", "arguments": {"city": "ROME"}},)
    assert (back.source, back.row, back.messages[1].weight) == ("f.jsonl", 3, 0)


def test_a_row_left_out_stays_with_its_first_reason_and_is_not_rewritten():
    (batch,) = batches_of_rows([(1, {"text": "a"}), (2, {"text": "b"})], ["text"], source="f")
    batch = leave_out(
        batch, lambda rows: [("short", "1 character") if row == ["a"] else None for row in rows]
    )
    batch = leave_out(batch, lambda rows: [("late", "") for row in rows])
    batch = rewrite_texts(batch, "upper", lambda texts: [text.upper() for text in texts])
    assert batch["reason"].to_pylist() == ["short", "late"]
    assert [row["text"] for row in rows_of(batch)] == ["a", "b"]


def test_rows_that_hold_no_text_are_left_out_with_the_row_kept():
    rows = [
        (1, {"text": "half \ud800 of a pair"}),
        (2, ["a list"]),
        (3, {"label": "x"}),
        (4, {"text": "fine"}),
    ]
    (batch,) = batches_of_rows(rows, ["text"], source="f")
    assert batch["reason"].to_pylist() == ["not_unicode", "not_an_object", "no_text", None]
    assert [json.loads(raw) for raw in batch["raw"].to_pylist()] == [row for _, row in rows]
