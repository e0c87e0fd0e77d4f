"""Encoded rows on disk: Parquet, mapped into memory, read back by row number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow
import pyarrow.parquet

from luthier.data.example import Example
from luthier.data.sample import Message, Sample

_SCHEMA = pyarrow.schema(
    [
        ("input_ids", pyarrow.list_(pyarrow.int32())),
        ("labels", pyarrow.list_(pyarrow.int32())),
        ("source", pyarrow.string()),
        ("row", pyarrow.int64()),
        ("num_truncated", pyarrow.int64()),
        ("lost_end", pyarrow.bool_()),
        ("sample", pyarrow.string()),
    ]
)


def write_examples(path: Path, rows: Sequence[tuple[Example, Sample]]) -> None:
    """Write encoded rows, each with the sample that it came from."""
    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
    for example, sample in rows:
        for name in _SCHEMA.names[:-1]:
            columns[name].append(getattr(example, name))
        columns["sample"].append(json.dumps(asdict(sample), ensure_ascii=False))
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=_SCHEMA), path)


class StoredExamples(Sequence[Example]):
    """The rows of a Parquet file; each is made when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._table = pyarrow.parquet.read_table(path, memory_map=True).combine_chunks()

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

        def tokens(name: str) -> Any:
            return np.array(self._table[name][index].values, dtype=np.int32)

        def value(name: str) -> Any:
            return self._table[name][index].as_py()

        return Example(
            input_ids=tokens("input_ids"),
            labels=tokens("labels"),
            source=value("source"),
            row=value("row"),
            num_truncated=value("num_truncated"),
            lost_end=value("lost_end"),
        )

    def samples(self) -> Iterator[Sample]:
        """Yield the sample of each row."""
        for number in range(len(self)):
            yield sample_of(json.loads(self._table["sample"][number].as_py()))


def sample_of(fields: dict[str, Any]) -> Sample:
    """Return the sample that ``asdict`` took apart."""
    turns = tuple(Message(**{**m, "tool_calls": tuple(m["tool_calls"])}) for m in fields["messages"])
    return Sample(**{**fields, "messages": turns, "tools": tuple(fields["tools"])})
