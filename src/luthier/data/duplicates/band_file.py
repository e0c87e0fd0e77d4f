"""Band hashes of all rows in a temporary file, read back a band at a time."""

from __future__ import annotations

import os
import tempfile
from types import TracebackType

import numpy as np
from numpy.typing import NDArray


class BandFile:
    """One hash per band and row; the file vanishes with the block that opened it.

    Args:
        count: Bands.
        num_rows: Rows that will be appended.
    """

    def __init__(self, count: int, num_rows: int) -> None:
        self.count = count
        self._num_rows = num_rows
        self._done = 0
        self._file = tempfile.TemporaryFile(prefix="luthier-bands-", buffering=0)  # noqa: SIM115

    def __enter__(self) -> BandFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, hashes: NDArray[np.uint64]) -> None:
        """Write the hashes of the next rows, shape [bands, rows]."""
        for band, row_hashes in enumerate(hashes):
            self._write(row_hashes.tobytes(), 8 * (band * self._num_rows + self._done))
        self._done += hashes.shape[1]

    def read(self, band: int) -> NDArray[np.uint64]:
        """Return the hashes of all rows in a band, shape [rows]."""
        self._file.seek(8 * band * self._num_rows)
        return np.fromfile(self._file, np.uint64, self._num_rows)

    def _write(self, data: bytes, place: int) -> None:
        while data:  # a write may be cut short, e.g. by a signal
            written = os.pwrite(self._file.fileno(), data, place)
            data, place = data[written:], place + written
