"""Encoded rows on disk: Parquet, mapped into memory, read back by row number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow
import pyarrow.parquet

from luthier.data.example import Example
from luthier.data.sample import Answer, Message, Sample

_TOKENS = ("input_ids", "labels", "token_type_ids")
_FACTS = ("source", "row", "num_truncated", "lost_end", "num_escaped", "weight", "target", "task")
_SCHEMA = pyarrow.schema(
    [
        ("input_ids", pyarrow.list_(pyarrow.int32())),
        ("labels", pyarrow.list_(pyarrow.int32())),
        ("token_type_ids", pyarrow.list_(pyarrow.int32())),
        ("source", pyarrow.string()),
        ("row", pyarrow.int64()),
        ("num_truncated", pyarrow.int64()),
        ("lost_end", pyarrow.bool_()),
        ("num_escaped", pyarrow.int64()),
        ("weight", pyarrow.float64()),
        ("target", pyarrow.string()),
        ("task", pyarrow.string()),
        ("sample", pyarrow.string()),
    ]
)
_ROWS_AT_ONCE = 2000


def write_examples(path: Path, rows: Iterable[tuple[Sample, list[Example]]]) -> None:
    """Write encoded rows as they come; the first example of a row carries the sample that it came from."""
    rows = iter(rows)
    with pyarrow.parquet.ParquetWriter(path, _SCHEMA) as writer:
        while batch := list(islice(rows, _ROWS_AT_ONCE)):
            columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
            for sample, examples in batch:
                text: str | None = json.dumps(asdict(sample), ensure_ascii=False)
                for example in examples:
                    for name in (*_TOKENS, *_FACTS):
                        columns[name].append(getattr(example, name))
                    columns["sample"].append(text)
                    text = None
            writer.write_table(pyarrow.table(columns, schema=_SCHEMA))


class StoredExamples(Sequence[Example]):
    """The rows of a Parquet file; each is made when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        table = pyarrow.parquet.read_table(path, memory_map=True, columns=[*_TOKENS, *_FACTS])
        self._table = table.combine_chunks()
        self._tokens = {name: _flat(self._table[name]) for name in _TOKENS}

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)

        facts = {name: self._table[name][index].as_py() for name in _FACTS}
        tokens = {
            name: values[starts[index] : starts[index + 1]].copy()
            for name, (values, starts) in self._tokens.items()
        }
        if not len(tokens["token_type_ids"]):
            del tokens["token_type_ids"]
        return Example(**tokens, **facts)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row, read from the table alone."""
        starts = self._tokens["input_ids"][1]
        return [int(length) for length in np.diff(starts)]

    @property
    def tasks(self) -> list[str | None]:
        """Task of each row, read from the table alone."""
        return [None if task is None else str(task) for task in self._table["task"].to_pylist()]

    def samples(self) -> Iterator[Sample]:
        """Yield the sample of each row, once."""
        file = pyarrow.parquet.ParquetFile(self._path)
        for batch in file.iter_batches(columns=["sample"]):
            for text in batch.column(0).to_pylist():
                if text is not None:
                    yield sample_of(json.loads(text))


def lengths_of(rows: Sequence[Example]) -> list[int]:
    """Return the tokens of each row, without making the rows where they are stored."""
    return rows.lengths if isinstance(rows, StoredExamples) else [len(row.input_ids) for row in rows]


def tasks_of(rows: Sequence[Example]) -> list[str | None]:
    """Return the task of each row, without making the rows where they are stored."""
    return rows.tasks if isinstance(rows, StoredExamples) else [row.task for row in rows]


def _flat(column: Any) -> tuple[Any, Any]:
    """Return all values of a list column and where each row's begin, as arrays over the table's memory."""
    if not len(column):
        return np.empty(0, dtype=np.int32), np.zeros(1, dtype=np.int32)
    chunk = column.chunk(0)
    return chunk.values.to_numpy(), chunk.offsets.to_numpy()


def sample_of(fields: dict[str, Any]) -> Sample:
    """Return the sample that ``asdict`` took apart."""
    turns = tuple(Message(**{**m, "tool_calls": tuple(m["tool_calls"])}) for m in fields["messages"])
    lists = {name: tuple(fields.get(name, ())) for name in ("tools", "tokens", "tags")}
    labels = None if fields.get("labels") is None else tuple(fields["labels"])
    answers = tuple(Answer(**answer) for answer in fields.get("answers", ()))
    return Sample(**{**fields, **lists, "messages": turns, "labels": labels, "answers": answers})
