"""Shards: runs of rows of bounded size, each a Parquet file that is named by its own hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow
import pyarrow.parquet

from luthier.core.errors import DataError
from luthier.data.sources import Row
from luthier.data.versions import columns, encryption

_USUAL_BYTES = 4 << 20
_MOST_BYTES = 16 << 20
_MOST_ROWS = 1 << 17
_LEAST_ROW_BYTES = 128  # shorter rows count as this: objects in memory have a size of their own
_GROUP_ROWS = 8192
_ZSTANDARD_LEVEL = 3


@dataclass
class Cut:
    """Rows that will be one shard.

    Args:
        rows: The rows.
        digests: One each.
        num_bytes: Size of the rows as JSON.
    """

    rows: list[Any] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    num_bytes: int = 0


def cut(rows: Iterable[Row], where: str) -> Iterator[Cut]:
    """Divide rows into runs, at places that only the rows' contents decide.

    Equal runs of rows in two versions become equal shards, wherever they stand: a row put in front
    of a million others costs one new shard. Expected 4 MiB of JSON a shard, never much above 16.

    Raises:
        DataError: A row holds what cannot be stored; its number is named.
    """
    part = Cut()
    for number, row in rows:
        try:
            digest, num_bytes = columns.digest_of(row)
        except (TypeError, ValueError, RecursionError) as error:
            problem = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise DataError(problem, where=f"{where}, row {number}") from error
        part.rows.append(row)
        part.digests.append(digest)
        part.num_bytes += num_bytes
        chance = int.from_bytes(digest[:4], "big") * _USUAL_BYTES >> 32
        is_full = part.num_bytes >= _MOST_BYTES or len(part.rows) >= _MOST_ROWS
        if is_full or chance < max(num_bytes, _LEAST_ROW_BYTES):
            yield part
            part = Cut()
    if part.rows:
        yield part


class ContentId:
    """The identity of rows in their order; with a key it tells nothing to those who lack the key.

    Args:
        key: Of an encrypted data set.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._hash = hashlib.blake2b(key=key or b"", digest_size=32)

    def update(self, digests: Iterable[bytes]) -> None:
        """Take in the digests of more rows."""
        for digest in digests:
            self._hash.update(digest)

    def hexdigest(self) -> str:
        """Return the identity so far."""
        return self._hash.hexdigest()


class VersionId:
    """The identity of a version: of its rows, and of the files that they refer to, if they do.

    Args:
        key: Of an encrypted data set.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self.rows = ContentId(key)
        self.references = ContentId(key)
        self._without_references = self.references.hexdigest()

    def hexdigest(self) -> str:
        """Return the identity so far."""
        rows, references = self.rows.hexdigest(), self.references.hexdigest()
        if references == self._without_references:
            return rows
        both = ContentId()
        both.update([rows.encode(), references.encode()])
        return both.hexdigest()


def content_id(digests: Iterable[bytes], key: bytes | None = None) -> str:
    """Return the `ContentId` of rows."""
    identity = ContentId(key)
    identity.update(digests)
    return identity.hexdigest()


def to_parquet(table: pyarrow.Table, *, key: tuple[str, bytes] | None) -> bytes:
    """Return a shard's table as the bytes of a Parquet file.

    Args:
        table: From `columns.table_of`.
        key: Id and bytes of the key to encrypt with.
    """
    sink = pyarrow.BufferOutputStream()
    with pyarrow.parquet.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        compression_level=_ZSTANDARD_LEVEL,
        use_dictionary=[name for name in table.column_names if name != columns.DIGEST],
        encryption_properties=encryption.encryption_of(*key) if key else None,
    ) as writer:
        writer.write_table(table, row_group_size=_GROUP_ROWS)
    return bytes(sink.getvalue())


def from_parquet(
    data: bytes, *, key: bytes | None, only: list[str] | None = None
) -> Iterator[pyarrow.RecordBatch]:
    """Yield the row groups of a Parquet file as batches.

    Args:
        data: Of the file.
        key: That it was encrypted with.
        only: Columns to read; by default all.
    """
    file = pyarrow.parquet.ParquetFile(
        pyarrow.BufferReader(data), decryption_properties=encryption.decryption_of(key) if key else None
    )
    yield from file.iter_batches(batch_size=_GROUP_ROWS, columns=only, use_threads=False)
