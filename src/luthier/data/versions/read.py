"""Read a version: a stream of rows or of Arrow batches that never holds more than one shard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
import pyarrow

from luthier.core.errors import DataError
from luthier.data.sources import Row
from luthier.data.versions import columns, shards
from luthier.data.versions.dataset import DataSet
from luthier.data.versions.manifest import Manifest, Shard
from luthier.data.versions.references import Reference
from luthier.data.versions.state import Version


class StoredVersion:
    """A version, ready to be read.

    Args:
        dataset: That it belongs to.
        version: As `DataSet.resolve` gave it.
    """

    def __init__(self, dataset: DataSet, version: Version) -> None:
        self.dataset = dataset
        self.version = version
        self.manifest: Manifest = dataset.manifest(version)
        self.where = dataset.place(version.number)

    def __len__(self) -> int:
        return self.manifest.rows

    @property
    def name(self) -> str:
        """Data set and number, as they are written in addresses."""
        return f"{self.dataset.name}@{self.version.number}"

    @property
    def secret(self) -> bytes | None:
        """The key that the rows are encrypted with; None where they are not.

        Raises:
            DataError: The key is missing.
        """
        wanted = self.manifest.key
        return self.dataset.key(wanted, self.where)[1] if wanted else None

    def rows(self) -> Iterator[Row]:
        """Yield row number from 1 and row, in order.

        Raises:
            DataError: A shard is gone or damaged, or the key is missing.
        """
        self._note_use()
        number = 0
        for batch in self._batches():
            for row in columns.rows_of(batch):
                number += 1
                yield number, row

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """Yield Arrow batches of one schema: a column per field, JSON text where its values differ in type.

        Raises:
            DataError: As `rows` does.
        """
        self._note_use()
        for batch in self._batches():
            yield columns.conformed(batch, self.manifest.schema)

    def shard_batches(self, shard: Shard, only: list[str] | None = None) -> Iterator[pyarrow.RecordBatch]:
        """Yield the row groups of one shard.

        Args:
            shard: Of the manifest.
            only: Columns to read; by default all.
        """
        data = self.dataset.read_object(shard.object, "parquet", self.where)
        try:
            yield from shards.from_parquet(data, key=self.secret, only=only)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(
                f"file objects/{shard.object}.parquet cannot be read: {error}", where=self.where
            ) from error

    def digests(self, chosen: list[Shard] | None = None) -> np.ndarray:
        """Return the digests of rows, 16 bytes each, as an array of bytes with a row for each.

        Args:
            chosen: Shards to look at; by default all.
        """
        found = [np.zeros((0, columns.DIGEST_BYTES), np.uint8)]
        for shard in self.manifest.shards if chosen is None else chosen:
            for batch in self.shard_batches(shard, [columns.DIGEST]):
                array = batch.column(0)
                flat = np.frombuffer(array.buffers()[1], np.uint8)
                start = array.offset * columns.DIGEST_BYTES
                found.append(flat[start : start + len(array) * columns.DIGEST_BYTES].reshape(len(array), -1))
        return np.concatenate(found)

    def references(self) -> Iterator[Reference]:
        """Yield the files that the rows refer to."""
        for shard in self.manifest.references:
            for batch in self.shard_batches(shard):
                for facts in columns.rows_of(batch):
                    yield Reference(**facts)

    def _batches(self) -> Iterator[pyarrow.RecordBatch]:
        for shard in self.manifest.shards:
            yield from self.shard_batches(shard)

    def _note_use(self) -> None:
        """Note the day of use, which moving to the cold tier goes by."""
        name, today = use_path(self.version.number), datetime.now(UTC).date().isoformat().encode()
        # Who may read only still reads; the version then counts as unused since it was made.
        with suppress(DataError):
            if last_use(self.dataset, self.version.number) != today.decode():
                self.dataset.storage.write(name, today)


def last_use(dataset: DataSet, number: int) -> str | None:
    """Return the day on which a version was last read, ISO 8601 in UTC, or None."""
    try:
        return dataset.storage.read(use_path(number)).decode()
    except FileNotFoundError:
        return None


def use_path(number: int) -> str:
    """Return where the day of a version's last use is noted."""
    return f"used/{number}"
