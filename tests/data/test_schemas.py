"""Schemas: told from the fields, converted row by row, and a row that does not fit is named, not lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from luthier.core.errors import DataError
from luthier.data.example import Rejection
from luthier.data.read import open_source, read_source, source_hash
from luthier.data.sample import Message, Sample
from luthier.data.schemas import RowError, convert, detect_schema
from luthier.recipe.source_section import Source

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "hello"}
CALL = {"name": "get_time", "arguments": {"zone": "UTC"}}


def _convert(row: Any, schema: str) -> Sample:
    return convert(row, schema, source="made.jsonl", number=7)


def _reason(row: Any, schema: str) -> tuple[str, str]:
    with pytest.raises(RowError) as caught:
        _convert(row, schema)
    return caught.value.reason, caught.value.detail


def _read(folder: Path, rows: list[Any], **settings: Any) -> list[Sample | Rejection]:
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(read_source(Source.model_validate({"path": "a.jsonl", **settings}), folder))


class TestAlpaca:
    def test_input_follows_the_instruction(self) -> None:
        sample = _convert({"instruction": "Add.", "input": "1 2", "output": "3"}, "alpaca")
        assert sample.messages == (Message("user", "Add.\n1 2"), Message("assistant", "3"))
        assert (sample.source, sample.row) == ("made.jsonl", 7)

    @pytest.mark.parametrize("extra", [{}, {"input": ""}, {"input": None, "system": None, "history": None}])
    def test_optional_fields(self, extra: dict[str, Any]) -> None:
        sample = _convert({"instruction": "Add.", "output": "3", **extra}, "alpaca")
        assert sample.messages == (Message("user", "Add."), Message("assistant", "3"))

    def test_system_and_history_come_first(self) -> None:
        row = {"instruction": "c", "output": "d", "system": "s", "history": [["a", "b"]]}
        assert [(m.role, m.content) for m in _convert(row, "alpaca").messages] == [
            ("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "history", ["text", 3, {"a": "b"}, [["a"]], [["a", 1]], ["ab"], [["a", "b", "c"]], [["a", None]]]
    )
    def test_history_of_another_form(self, history: Any) -> None:
        reason, detail = _reason({"instruction": "c", "output": "d", "history": history}, "alpaca")
        assert reason == "wrong_type" and "history" in detail

    def test_empty_answer_in_the_history(self) -> None:
        row = {"instruction": "c", "output": "d", "history": [["a", ""]]}
        assert _reason(row, "alpaca")[0] == "empty_answer"


class TestSharegpt:
    def test_tools_function_call_and_observation(self) -> None:
        row = {
            "conversations": [
                {"from": "human", "value": "time?"},
                {"from": "function_call", "value": json.dumps(CALL)},
                {"from": "observation", "value": '{"time": "12:00"}'},
                {"from": "gpt", "value": "noon"},
            ],
            "tools": json.dumps([{"name": "get_time", "parameters": {}}]),
            "system": "Be short.",
        }
        sample = _convert(row, "sharegpt")
        assert sample.messages == (
            Message("system", "Be short."),
            Message("user", "time?"),
            Message("assistant", "", tool_calls=(CALL,)),
            Message("tool", '{"time": "12:00"}'),
            Message("assistant", "noon"),
        )
        assert sample.tools == ({"name": "get_time", "parameters": {}},)

    def test_several_calls_at_once(self) -> None:
        value = json.dumps(
            [CALL, {"name": "stop", "arguments": "{}"}, {"name": "go", "parameters": {"to": 1}}]
        )
        row = {"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": value}]}
        assert _convert(row, "sharegpt").messages[1].tool_calls == (
            CALL, {"name": "stop", "arguments": {}}, {"name": "go", "arguments": {"to": 1}},
        )  # fmt: skip

    @pytest.mark.parametrize("names", [("human", "gpt"), ("user", "assistant"), ("user", "model")])
    def test_names_of_the_roles(self, names: tuple[str, str]) -> None:
        turns = [{"from": name, "value": "x"} for name in names]
        assert [m.role for m in _convert({"conversations": turns}, "sharegpt").messages] == [
            "user",
            "assistant",
        ]

    @pytest.mark.parametrize("tools", [None, "", "  ", "[]", []])
    def test_no_tools(self, tools: Any) -> None:
        turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
        assert _convert({"conversations": turns, "tools": tools}, "sharegpt").tools == ()

    @pytest.mark.parametrize("tools", ["{", '{"name": "x"}', ["x"], [1], 3, "null and void"])
    def test_broken_tools(self, tools: Any) -> None:
        turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
        assert _reason({"conversations": turns, "tools": tools}, "sharegpt")[0] == "bad_tools"

    @pytest.mark.parametrize(
        "value",
        ["get_time()", "[]x", "3", '"get_time"', '{"arguments": {}}', '{"name": 3, "arguments": {}}', "[3]", "[]",
         '{"name": "a", "arguments": "not json"}', '{"name": "a", "arguments": [1]}', '{"name": "a", "arguments": 3}'],
    )  # fmt: skip
    def test_broken_call(self, value: str) -> None:
        turns = [{"from": "human", "value": "a"}, {"from": "function_call", "value": value}]
        assert _reason({"conversations": turns}, "sharegpt")[0] in ("bad_tool_call", "empty_answer")

    @pytest.mark.parametrize("broken", ["[" * 100_000, "9" * 5000], ids=["deep", "long"])
    def test_json_that_python_refuses(self, broken: str) -> None:
        turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
        assert _reason({"conversations": turns, "tools": broken}, "sharegpt")[0] == "bad_tools"
        turns[1] = {"from": "function_call", "value": broken}
        assert _reason({"conversations": turns}, "sharegpt")[0] == "bad_tool_call"

    def test_unknown_role_is_named_with_its_turn(self) -> None:
        turns = [{"from": "human", "value": "a"}, {"from": "bot", "value": "b"}]
        reason, detail = _reason({"conversations": turns}, "sharegpt")
        assert reason == "unknown_role" and "conversations[1].from is 'bot'" in detail

    @pytest.mark.parametrize(
        "turns", [None, "text", {"from": "human"}, [3], [None], [["human", "a"]], [{"from": "human", "value": 3}],
                  [{"from": 3, "value": "a"}], [{"from": ["human"], "value": "a"}]],
    )  # fmt: skip
    def test_turns_of_another_type(self, turns: Any) -> None:
        assert _reason({"conversations": turns}, "sharegpt")[0] == "wrong_type"

    def test_glaive(self, shared_data: Path) -> None:
        path = shared_data / "instruction" / "glaive_toolcall_en_demo.json"
        raw = json.loads(path.read_text(encoding="utf-8"))
        samples = list(read_source(Source(path=path.name), path.parent))
        assert len(samples) == len(raw) == 300
        for row, sample in zip(raw, samples, strict=True):
            assert isinstance(sample, Sample)
            assert len(sample.tools) == len(json.loads(row["tools"]))
            turns = row["conversations"]
            assert len(sample.messages) == len(turns)
            for turn, message in zip(turns, sample.messages, strict=True):
                if turn["from"] == "function_call":
                    called = json.loads(turn["value"])
                    assert (
                        message.tool_calls[0]["name"]
                        == (called[0] if isinstance(called, list) else called)["name"]
                    )
                else:
                    assert message.content == turn["value"]


class TestMessages:
    def test_tool_calls_and_weight(self) -> None:
        row = {
            "messages": [
                {"role": "developer", "content": "Be short."},
                USER,
                {**ANSWER, "weight": 0},
                USER,
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "1",
                            "type": "function",
                            "function": {"name": "get_time", "arguments": '{"zone": "UTC"}'},
                        }
                    ],
                },
                {"role": "tool", "content": "12:00", "tool_call_id": "1"},
                {**ANSWER, "weight": 1},
            ],
            "tools": [{"type": "function", "function": {"name": "get_time", "parameters": {}}}],
        }
        sample = _convert(row, "messages")
        assert [m.role for m in sample.messages] == [
            "system", "user", "assistant", "user", "assistant", "tool", "assistant",
        ]  # fmt: skip
        assert [m.weight for m in sample.messages if m.role == "assistant"] == [0, 1, 1]
        assert sample.messages[4].tool_calls == (CALL,)
        assert sample.tools[0]["function"]["name"] == "get_time"

    def test_content_in_parts(self) -> None:
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        sample = _convert({"messages": [{"role": "user", "content": parts}, ANSWER]}, "messages")
        assert sample.messages[0].content == "ab"

    @pytest.mark.parametrize(
        "part", [{"type": "image_url", "image_url": {}}, "text", {"type": "text", "text": 3}]
    )
    def test_parts_that_are_not_text(self, part: Any) -> None:
        assert (
            _reason({"messages": [{"role": "user", "content": [part]}, ANSWER]}, "messages")[0] == "not_text"
        )

    @pytest.mark.parametrize("weight", [True, "1", -1, [1]])
    def test_weight_of_another_value(self, weight: Any) -> None:
        reason, detail = _reason({"messages": [USER, {**ANSWER, "weight": weight}]}, "messages")
        assert reason == "wrong_type" and "messages[1].weight" in detail

    def test_null_weight_is_the_default(self) -> None:
        assert _convert({"messages": [USER, {**ANSWER, "weight": None}]}, "messages").messages[1].weight == 1

    @pytest.mark.parametrize(
        ("turns", "reason"),
        [
            ([USER, {"role": "bot", "content": "x"}], "unknown_role"),
            ([USER, {"role": "assistant", "content": 3}], "wrong_type"),
            ([USER, {"role": "assistant"}], "wrong_type"),
            ([USER, {"role": "assistant", "content": None}], "wrong_type"),
            ([USER, {"content": "x"}], "missing_field"),
            ([{**USER, "tool_calls": [CALL]}, ANSWER], "wrong_type"),
            ([USER, {**ANSWER, "tool_calls": "x"}], "wrong_type"),
            ([USER, {**ANSWER, "tool_calls": ["x"]}], "bad_tool_call"),
            (
                [USER, {**ANSWER, "tool_calls": [{"function": {"name": "a", "arguments": "{"}}]}],
                "bad_tool_call",
            ),
            ([ANSWER, USER, ANSWER], "starts_with_assistant"),
            ([{"role": "system", "content": "s"}, ANSWER], "starts_with_assistant"),
            ([USER], "no_answer"),
            ([], "empty"),
            ([{"role": "system", "content": "s"}], "empty"),
            ([USER, {"role": "assistant", "content": ""}], "empty_answer"),
            ([USER, {"role": "assistant", "content": " \n"}], "empty_answer"),
            ([USER, {"role": "assistant", "content": "", "tool_calls": []}], "empty_answer"),
            (["hi", ANSWER], "wrong_type"),
            ([USER, None], "wrong_type"),
        ],
    )
    def test_conversations_that_are_none(self, turns: list[Any], reason: str) -> None:
        assert _reason({"messages": turns}, "messages")[0] == reason

    def test_empty_answer_names_its_turn(self) -> None:
        turns = [USER, ANSWER, USER, {"role": "assistant", "content": ""}]
        assert "turn 4" in _reason({"messages": turns}, "messages")[1]

    @pytest.mark.parametrize("where", ["content", "arguments", "tools", "key"])
    def test_half_a_surrogate_pair(self, where: str) -> None:
        cut = json.loads('"\\ud83d"')
        row: dict[str, Any] = {"messages": [USER, ANSWER]}
        if where == "content":
            row["messages"] = [{"role": "user", "content": cut}, ANSWER]
        elif where == "tools":
            row["tools"] = [{"name": cut}]
        else:
            arguments = {"a": cut} if where == "arguments" else {cut: 1}
            row["messages"] = [
                USER,
                {"role": "assistant", "tool_calls": [{"name": "f", "arguments": arguments}]},
            ]
        assert _reason(row, "messages")[0] == "broken_unicode"


class TestPromptCompletion:
    def test_strings(self) -> None:
        sample = _convert({"prompt": "a", "completion": "b"}, "prompt_completion")
        assert sample.messages == (Message("user", "a"), Message("assistant", "b"))

    def test_messages_train_the_completion_only(self) -> None:
        row = {"prompt": [USER, ANSWER, USER], "completion": [ANSWER], "tools": [{"name": "x"}]}
        sample = _convert(row, "prompt_completion")
        assert [m.weight for m in sample.messages if m.role == "assistant"] == [0, 1]
        assert sample.tools == ({"name": "x"},)

    @pytest.mark.parametrize(
        ("prompt", "completion"), [([USER], "b"), ("a", [ANSWER]), (3, "b"), ("a", 3), ({}, {}), ("a", None)]
    )
    def test_other_types(self, prompt: Any, completion: Any) -> None:
        reason, _ = _reason({"prompt": prompt, "completion": completion}, "prompt_completion")
        assert reason in ("wrong_type", "missing_field")


class TestRows:
    @pytest.mark.parametrize("row", ["text", 3, None, ["a"], True, 1.5])
    def test_row_that_is_no_object(self, row: Any) -> None:
        assert _reason(row, "text")[0] == "not_an_object"

    @pytest.mark.parametrize("text", ["", " \n"])
    def test_empty_text(self, text: str) -> None:
        assert _reason({"text": text}, "text")[0] == "empty"

    def test_wrong_type_names_field_and_both_types(self) -> None:
        _, detail = _reason({"instruction": "a", "output": ["b"]}, "alpaca")
        assert detail == "output is a list, a string was expected"

    def test_one_wrong_row_in_thousands_is_rejected_with_its_number(self, tmp_path: Path) -> None:
        rows: list[Any] = [{"instruction": f"q{n}", "output": f"a{n}"} for n in range(3000)]
        rows[2345] = {"instruction": "q", "output": 7}
        entries = _read(tmp_path, rows)
        assert len(entries) == 3000
        (rejected,) = [entry for entry in entries if isinstance(entry, Rejection)]
        assert (rejected.row, rejected.reason, rejected.raw) == (2346, "wrong_type", rows[2345])
        assert rejected.place == "a.jsonl, row 2346"

    def test_wrong_type_of_the_first_rows_does_not_hide_the_schema(self, tmp_path: Path) -> None:
        entries = _read(tmp_path, ["text", None, {"instruction": "a", "output": "b"}])
        assert [isinstance(entry, Sample) for entry in entries] == [False, False, True]

    def test_wrong_type_in_parquet(self, tmp_path: Path) -> None:
        table = pyarrow.table({"instruction": ["a", "b"], "output": pyarrow.array([1, 2])})
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
        entries = list(read_source(Source(path="a.parquet"), tmp_path))
        assert [e.reason for e in entries if isinstance(e, Rejection)] == ["wrong_type", "wrong_type"]

    def test_messages_from_parquet(self, tmp_path: Path) -> None:
        rows = [{"messages": [USER, {**ANSWER, "weight": 0}, USER, ANSWER]}, {"messages": [USER, ANSWER]}]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
        first, second = read_source(Source(path="a.parquet"), tmp_path)
        assert isinstance(first, Sample) and isinstance(second, Sample)
        assert [m.weight for m in first.messages] == [1, 0, 1, 1]
        assert [m.content for m in second.messages] == ["hi", "hello"]

    def test_values_that_json_does_not_know_are_rejected(self, tmp_path: Path) -> None:
        tools = [[{"name": "f", "blob": b"\x00"}]]
        table = pyarrow.table({"messages": [[USER, ANSWER]], "tools": tools})
        pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
        (entry,) = read_source(Source(path="a.parquet"), tmp_path)
        assert isinstance(entry, Rejection) and entry.reason == "wrong_type"

    def test_surplus_fields_of_a_table(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("instruction,output\na,b,c\nd,e\n")
        first, second = read_source(Source(path="a.csv"), tmp_path)
        assert isinstance(first, Rejection) and first.reason == "surplus_fields"
        assert isinstance(second, Sample)


class TestDetection:
    @pytest.mark.parametrize(
        ("row", "schema"),
        [
            ({"instruction": "a", "output": "b", "input": ""}, "alpaca"),
            ({"conversations": [], "tools": ""}, "sharegpt"),
            ({"messages": []}, "messages"),
            ({"prompt": "a", "completion": "b"}, "prompt_completion"),
            ({"text": "a", "id": 3}, "text"),
        ],
    )
    def test_schema_follows_from_the_fields(self, row: Any, schema: str) -> None:
        assert detect_schema([(1, row)], "a.jsonl") == schema

    def test_unknown_fields_are_listed_with_the_known_schemas(self) -> None:
        with pytest.raises(DataError) as caught:
            detect_schema([(1, {"question": "a", "answer": "b"})], "a.jsonl")
        assert "question, answer" in caught.value.problem and "instruction + output" in str(caught.value.cure)

    def test_mixed_schemas_at_the_start(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"alpaca \(row 1\), text \(row 2\)"):
            _read(tmp_path, [{"instruction": "a", "output": "b"}, {"text": "c"}])

    def test_mixed_schemas_far_down(self, tmp_path: Path) -> None:
        rows: list[Any] = [{"instruction": "a", "output": "b"}] * 500 + [{"messages": [USER, ANSWER]}]
        with pytest.raises(DataError, match=r"alpaca .*messages \(row 501\)"):
            _read(tmp_path, rows)

    def test_named_schema_reads_a_mixed_file(self, tmp_path: Path) -> None:
        entries = _read(tmp_path, [{"text": "a"}, {"messages": []}], schema="text")
        assert [getattr(e, "reason", "") for e in entries] == ["", "missing_field"]

    def test_schema_is_told_before_rows_are_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
        assert open_source(Source(path="a.jsonl"), tmp_path).schema == "text"

    @pytest.mark.parametrize(
        "row",
        [
            {"prompt": "a", "chosen": "b", "rejected": "c"},
            {"chosen": [USER, ANSWER], "rejected": [USER, ANSWER]},
            {"prompt": "a", "completion": "b", "label": False},
            {"messages": [USER, ANSWER], "kto_tag": True},
            {"conversations": [], "chosen": {}, "rejected": {}},
        ],
    )
    def test_preferences_are_refused(self, tmp_path: Path, row: Any) -> None:
        with pytest.raises(DataError, match="good and bad answers alike"):
            _read(tmp_path, [row])

    def test_preferences_pass_where_the_schema_is_named(self, tmp_path: Path) -> None:
        row = {"prompt": "a", "completion": "b", "label": True}
        assert isinstance(_read(tmp_path, [row], schema="prompt_completion")[0], Sample)


class TestColumns:
    def test_own_names(self, tmp_path: Path) -> None:
        (sample,) = _read(tmp_path, [{"q": "a", "a": "b"}], columns={"instruction": "q", "output": "a"})
        assert isinstance(sample, Sample) and [m.content for m in sample.messages] == ["a", "b"]

    def test_two_columns_change_places(self, tmp_path: Path) -> None:
        columns = {"instruction": "output", "output": "instruction"}
        (sample,) = _read(tmp_path, [{"instruction": "a", "output": "b"}], columns=columns)
        assert isinstance(sample, Sample) and [m.content for m in sample.messages] == ["b", "a"]

    def test_misspelt_field_suggests_the_right_one(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="did you mean `instruction`"):
            _read(tmp_path, [{"q": "a", "output": "b"}], columns={"instructon": "q"})

    def test_absent_column_lists_those_of_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="its columns are q, output"):
            _read(tmp_path, [{"q": "a", "output": "b"}], columns={"instruction": "question"})

    def test_rejection_keeps_the_row_under_its_own_names(self, tmp_path: Path) -> None:
        rows = [{"q": "a", "output": "b"}, {"q": 3, "output": "b"}]
        rejected = _read(tmp_path, rows, columns={"instruction": "q"})[1]
        assert isinstance(rejected, Rejection) and rejected.raw == rows[1]


class TestSource:
    def test_limit(self, tmp_path: Path) -> None:
        assert len(_read(tmp_path, [{"text": f"{n}"} for n in range(300)], limit=150)) == 150

    def test_group_is_kept_and_its_absence_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_text(
            '{"text": "a", "author": 3}\n{"text": "b"}\n{"text": "c", "author": null}\n'
        )
        first, *others = read_source(Source(path="a.jsonl"), tmp_path, group_by="author")
        assert isinstance(first, Sample) and first.group == "3"
        assert [e.reason for e in others if isinstance(e, Rejection)] == ["no_group", "no_group"]

    def test_group_that_no_row_has(self, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
        with pytest.raises(DataError, match="group_by"):
            list(read_source(Source(path="a.jsonl"), tmp_path, group_by="author"))

    def test_group_of_half_a_surrogate_pair(self, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_text('{"text": "a", "author": "\\ud83d"}\n')
        (entry,) = read_source(Source(path="a.jsonl"), tmp_path, group_by="author")
        assert isinstance(entry, Rejection) and entry.reason == "broken_unicode"

    def test_hash_changes_with_content_and_reading(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_text('{"text": "a"}\n')
        hashes = [
            source_hash([Source(path="a.jsonl")], tmp_path),
            source_hash([Source(path="a.jsonl", limit=1)], tmp_path),
        ]
        path.write_text('{"text": "b"}\n')
        hashes.append(source_hash([Source(path="a.jsonl")], tmp_path))
        path.write_text('{"text": "a"}\n')
        assert len(set(hashes)) == 3 and source_hash([Source(path="a.jsonl")], tmp_path) == hashes[0]
        with pytest.raises(DataError, match="no such file"):
            source_hash([Source(path="b.jsonl")], tmp_path)

    @pytest.mark.parametrize("name", ["alpaca_en_demo", "identity"])
    def test_real_alpaca(self, shared_data: Path, name: str) -> None:
        path = shared_data / "instruction" / f"{name}.json"
        raw = json.loads(path.read_text(encoding="utf-8"))
        opened = open_source(Source(path=path.name), path.parent)
        samples = list(opened.rows)
        assert opened.schema == "alpaca" and len(samples) == len(raw)
        for row, sample in zip(raw, samples, strict=True):
            if isinstance(sample, Rejection):
                assert sample.reason == "empty_answer" and not row["output"].strip()
            else:
                assert sample.messages[-1].content == row["output"]
                assert sample.messages[0].content.startswith(row["instruction"])
