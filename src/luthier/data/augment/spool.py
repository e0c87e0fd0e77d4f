"""Rows set aside in a temporary file, so that a step may go through them again without holding them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow
import pyarrow.compute

from luthier.data.operators.batch import ROW_BATCH


class Spool:
    """Takes the kept rows of batches, and gives chosen ones back; a context manager that removes its file."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="luthier-augment-")
        self._path = Path(self._folder.name) / "rows.arrow"
        self._writer: Any = pyarrow.ipc.new_file(str(self._path), ROW_BATCH)
        self.num_rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._folder.cleanup()

    def add(self, batch: pyarrow.RecordBatch) -> None:
        """Set the kept rows of a batch aside."""
        kept = batch.filter(pyarrow.compute.is_null(batch["reason"]))
        if kept.num_rows:
            self._writer.write_batch(kept)
            self.num_rows += kept.num_rows

    def rows(self, numbers: list[int]) -> Iterator[tuple[list[int], pyarrow.RecordBatch]]:
        """Yield the rows with these numbers, counted from 0 as they were added, batch by batch.

        Args:
            numbers: Ascending.
        """
        self._writer.close()
        with pyarrow.memory_map(str(self._path)) as source, pyarrow.ipc.open_file(source) as file:
            start, position = 0, 0
            for index in range(file.num_record_batches):
                batch = file.get_batch(index)
                end = start + batch.num_rows
                chosen = []
                while position < len(numbers) and numbers[position] < end:
                    chosen.append(numbers[position])
                    position += 1
                if chosen:
                    yield chosen, batch.take(pyarrow.array([number - start for number in chosen]))
                start = end
