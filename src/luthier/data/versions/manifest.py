"""The manifest of a version: which shards hold its rows, and what fields they have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow

from luthier.core.hashing import canonical_json
from luthier.data.versions import columns


@dataclass(frozen=True)
class Shard:
    """One file of rows.

    Args:
        object: SHA-256 of the file, which is its name.
        content: Identity of its rows.
        rows: How many.
        num_bytes: Size of the file.
    """

    object: str
    content: str
    rows: int
    num_bytes: int


@dataclass(frozen=True)
class Field:
    """One field of the rows.

    Args:
        name: As the rows have it.
        type: ``string``, ``int64``, ``double``, ``bool``, ``binary``, or ``json`` for all else.
        rows: In how many rows it stands.
    """

    name: str
    type: str
    rows: int


@dataclass(frozen=True)
class Manifest:
    """What a version is made of.

    Args:
        content: Identity of its rows, in their order.
        rows: How many.
        shards: In order.
        fields: Of all rows.
        key: Id of the key that the shards are encrypted with, if they are.
        references: Shards of the files that rows refer to; their rows are the entries of `references`.
    """

    content: str
    rows: int
    shards: tuple[Shard, ...]
    fields: tuple[Field, ...]
    key: str | None = None
    references: tuple[Shard, ...] = ()

    @property
    def num_bytes(self) -> int:
        """Size of all shards."""
        return sum(shard.num_bytes for shard in self.all_shards)

    @property
    def all_shards(self) -> tuple[Shard, ...]:
        """Shards of rows and of references."""
        return self.shards + self.references

    @property
    def schema(self) -> pyarrow.Schema:
        """Schema of the Arrow batches."""
        return pyarrow.schema([(field.name, columns.type_named(field.type)) for field in self.fields])

    def to_bytes(self) -> bytes:
        """Return the manifest as it is stored: equal manifests are equal bytes."""
        return canonical_json(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Return the manifest that was stored."""
        facts: dict[str, Any] = json.loads(data)
        for name in ("shards", "references"):
            facts[name] = tuple(Shard(**shard) for shard in facts[name])
        facts["fields"] = tuple(Field(**entry) for entry in facts["fields"])
        return cls(**facts)


class FieldCounts:
    """Gathers the fields of tables, shard after shard."""

    def __init__(self) -> None:
        self._schemas: list[pyarrow.Schema] = []
        self._rows: dict[str, int] = {}

    def add(self, table: pyarrow.Table) -> None:
        """Count a table in."""
        self._schemas = [columns.united([*self._schemas, table.schema])]
        for name in table.column_names:
            is_kept = columns.has_value_nulls(table.schema.field(name))
            present = table.num_rows - (0 if is_kept else table[name].null_count)
            self._rows[name] = self._rows.get(name, 0) + present

    def fields(self) -> Sequence[Field]:
        """Return the fields so far, without the digest."""
        return [
            Field(entry.name, columns.type_name(entry.type), self._rows[entry.name])
            for schema in self._schemas
            for entry in schema
            if entry.name != columns.DIGEST
        ]
