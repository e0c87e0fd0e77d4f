"""Texts in a temporary file, read back by their number: 8 bytes of memory each, whatever their length."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES = 1 << 22


class TextSpool:
    """Texts that are written one after the other; the file vanishes with the object."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="luthier-texts-", buffering=1 << 20)  # noqa: SIM115
        self._starts = array("q", [0])

    @property
    def starts(self) -> NDArray[np.int64]:
        """Byte at which each text begins, and the end, shape [N + 1]."""
        return np.frombuffer(self._starts, np.int64).copy()

    def append(self, text: str) -> None:
        """Write a text behind the last."""
        data = text.encode("utf-8", "surrogatepass")
        self._file.write(data)
        self._starts.append(self._starts[-1] + len(data))

    def read(self, numbers: Iterable[int]) -> list[str]:
        """Return the texts of these numbers."""
        self._file.flush()
        descriptor, starts = self._file.fileno(), self._starts
        return [
            os.pread(descriptor, starts[number + 1] - starts[number], starts[number]).decode(
                "utf-8", "surrogatepass"
            )
            for number in numbers
        ]

    def blocks(self, numbers: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], list[str]]]:
        """Yield the texts of these numbers in blocks of bounded size, with their numbers."""
        starts = self.starts
        for block in bounded(starts[numbers + 1] - starts[numbers], _BLOCK_BYTES):
            yield numbers[block], self.read(numbers[block].tolist())

    def close(self) -> None:
        """Delete the file."""
        self._file.close()


def bounded(sizes: NDArray[np.int64], limit: int) -> Iterator[slice]:
    """Yield slices that cover all items in order, each of at most ``limit`` in sum, or of a single item."""
    ends = np.cumsum(sizes)
    begin = 0
    while begin < len(sizes):
        before = int(ends[begin] - sizes[begin])
        end = max(begin + 1, int(np.searchsorted(ends, before + limit, side="right")))
        yield slice(begin, end)
        begin = end
