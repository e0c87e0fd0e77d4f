"""Encoded rows come back from disk as they went there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from luthier.data.example import Example
from luthier.data.sample import Answer, Message, Sample
from luthier.data.store import StoredExamples, write_examples

CALL = {"name": "get_time", "arguments": {"zone": "UTC", "list": [1, None]}}
SAMPLE = Sample(
    "a.jsonl", 1, group="g", tools=({"name": "get_time", "parameters": {"type": "object"}},),
    messages=(Message("user", "你好 🙂"), Message("assistant", "", tool_calls=(CALL,)), Message("tool", "x"),
              Message("assistant", "b", weight=0)),
)  # fmt: skip


def _same(left: Sequence[Example], right: Sequence[Example]) -> bool:
    def facts(row: Example) -> tuple[object, ...]:
        return (row.source, row.row, row.num_truncated, row.lost_end, row.num_escaped, row.weight)

    return len(left) == len(right) and all(
        a.input_ids.tolist() == b.input_ids.tolist()
        and a.labels.tolist() == b.labels.tolist()
        and facts(a) == facts(b)
        for a, b in zip(left, right, strict=True)
    )


def test_rows_and_samples_come_back(tmp_path: Path, make_rows: Callable[..., list[Example]]) -> None:
    rows = make_rows(5000)  # more than one batch of the file
    samples = [Sample(row.source, row.row, text=f"text {row.row}") for row in rows]
    write_examples(tmp_path / "a.parquet", ((s, [r]) for s, r in zip(samples, rows, strict=True)))
    stored = StoredExamples(tmp_path / "a.parquet")
    assert _same(stored, rows)
    assert list(stored.samples()) == samples


def test_every_field_comes_back(tmp_path: Path) -> None:
    ids = np.arange(4, dtype=np.int32)
    row = Example(
        ids, ids[::-1].copy(), "a.jsonl", 7, num_truncated=3, lost_end=True, num_escaped=2, weight=0.3
    )
    write_examples(tmp_path / "a.parquet", [(SAMPLE, [row])])
    stored = StoredExamples(tmp_path / "a.parquet")
    assert _same(stored, [row]) and list(stored.samples()) == [SAMPLE]
    assert stored[0].input_ids.dtype == stored[0].labels.dtype == np.int32


def test_rows_of_every_kind_come_back(tmp_path: Path) -> None:
    ids = np.arange(4, dtype=np.int32)
    samples = [
        Sample("a", 1, text="a", text_pair="b", labels=("x", "y"), weight=0.25, task="t"),
        Sample("a", 2, text="a", labels=(), attributes={"topic": "性别"}),
        Sample("a", 3, tokens=("a", "b"), tags=("O", "B-x")),
        Sample("a", 4, question="q", context="a b", answers=(Answer("b", 2), Answer("a", 0))),
    ]
    write_examples(tmp_path / "a.parquet", [(s, [Example(ids, ids, "a", s.row)]) for s in samples])
    stored = StoredExamples(tmp_path / "a.parquet")
    assert list(stored.samples()) == samples


def test_targets_of_tasks_come_back(tmp_path: Path) -> None:
    ids = np.arange(4, dtype=np.int32)
    types = np.array([0, 0, 1, 1], dtype=np.int32)
    rows = [
        Example(
            ids, np.array([2], dtype=np.int32), "a", 1, target="row", token_type_ids=types, task="intent"
        ),
        Example(ids, np.array([5, -100, 0, 1], dtype=np.int32), "a", 2, target="token"),
        Example(ids, ids, "a", 3),
    ]
    write_examples(tmp_path / "a.parquet", [(Sample("a", row.row, text="x"), [row]) for row in rows])
    stored = list(StoredExamples(tmp_path / "a.parquet"))
    for found, row in zip(stored, rows, strict=True):
        assert found.labels.tolist() == row.labels.tolist()
        assert (found.target, found.task, found.num_supervised) == (row.target, row.task, row.num_supervised)
    assert stored[0].token_type_ids is not None and stored[0].token_type_ids.tolist() == types.tolist()
    assert stored[1].token_type_ids is None
    assert [row.num_supervised for row in rows] == [1, 3, 3]


def test_a_sample_of_several_blocks_comes_back_once(
    tmp_path: Path, make_rows: Callable[..., list[Example]]
) -> None:
    rows = make_rows(4)
    write_examples(tmp_path / "a.parquet", [(SAMPLE, rows[:3]), (Sample("b", 2, text="x"), rows[3:])])
    stored = StoredExamples(tmp_path / "a.parquet")
    assert len(stored) == 4 and [sample.source for sample in stored.samples()] == ["a.jsonl", "b"]


def test_indices(tmp_path: Path, make_rows: Callable[..., list[Example]]) -> None:
    rows = make_rows(5)
    write_examples(tmp_path / "a.parquet", [(SAMPLE, [row]) for row in rows])
    stored = StoredExamples(tmp_path / "a.parquet")
    assert _same([stored[-1], stored[-5]], [rows[-1], rows[0]])
    assert _same(stored[1:4:2], rows[1:4:2]) and _same(stored[:], rows) and stored[9:] == []
    for index in (5, -6):
        with pytest.raises(IndexError):
            stored[index]
    assert _same(list(stored), rows)


def test_what_is_read_may_be_changed(tmp_path: Path, make_rows: Callable[..., list[Example]]) -> None:
    rows = make_rows(2)
    write_examples(tmp_path / "a.parquet", [(SAMPLE, [row]) for row in rows])
    stored = StoredExamples(tmp_path / "a.parquet")
    stored[0].labels[:] = 0
    assert _same(stored, rows)


def test_no_rows(tmp_path: Path) -> None:
    write_examples(tmp_path / "a.parquet", [])
    stored = StoredExamples(tmp_path / "a.parquet")
    assert len(stored) == 0 and list(stored) == [] and list(stored.samples()) == []
