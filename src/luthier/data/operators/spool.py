"""BatchSpool: batches in an Arrow file, written once and read as often as they are needed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pyarrow
import pyarrow.ipc

from luthier.data.operators.row_batch import ROW_BATCH


class BatchSpool:
    """Batches of `ROW_BATCH` on disk; iterating reads them from the start, one at a time.

    Args:
        path: File to write; whoever made its folder removes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.num_rows = 0
        self.num_kept = 0

    def fill(self, batches: Iterable[pyarrow.RecordBatch]) -> Self:
        """Write all batches, and count rows and kept rows."""
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        with (
            self._path.open("wb") as file,
            pyarrow.ipc.new_stream(file, ROW_BATCH, options=options) as stream,
        ):
            for batch in batches:
                # What operators note beside the rows (metadata) ends here: who wants it listens before.
                stream.write_batch(batch.replace_schema_metadata(None))
                self.num_rows += batch.num_rows
                self.num_kept += batch["reason"].null_count
        return self

    def __iter__(self) -> Iterator[pyarrow.RecordBatch]:
        with self._path.open("rb") as file:
            yield from pyarrow.ipc.open_stream(file)


@contextmanager
def spooled(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[Callable[[], Iterator[pyarrow.RecordBatch]]]:
    """Yield a function that reads the batches from the start; a temporary file holds them meanwhile."""
    with tempfile.TemporaryDirectory(prefix="luthier-rows-") as folder:
        spool = BatchSpool(Path(folder) / "rows.arrow").fill(batches)
        yield lambda: iter(spool)


def kept_rows_at(
    batches: Iterable[pyarrow.RecordBatch], numbers: Sequence[int]
) -> Iterator[tuple[list[int], pyarrow.RecordBatch]]:
    """Yield the kept rows with these numbers, counted from 0, batch by batch, with their numbers.

    Args:
        batches: All rows; those that are left out are not numbered.
        numbers: Ascending.
    """
    first = position = 0
    for batch in batches:
        end = first + batch["reason"].null_count
        chosen = []
        while position < len(numbers) and numbers[position] < end:
            chosen.append(numbers[position])
            position += 1
        if chosen:
            kept = batch.filter(batch["reason"].is_null())
            yield chosen, kept.take(pyarrow.array([number - first for number in chosen]))
        if position == len(numbers):
            return
        first = end
