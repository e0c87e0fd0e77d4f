"""Documents concatenated to full blocks, as in pretraining from scratch: a token sees the documents before its own."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from luthier.data.encode import Encoder, TextEncoder
from luthier.data.example import Example, Rejection
from luthier.data.sample import Sample


@runtime_checkable
class FillingEncoder(Encoder, Protocol):
    """An encoder that keeps what does not fill a block, and gives the rest at the end."""

    @property
    def by_row(self) -> Encoder:
        """Encodes held-out rows, each by itself, so that they are measured as they stand."""

    def finish(self) -> list[Example]:
        """Return what is left, and begin anew."""


class FullBlocks:
    """Concatenates documents, each with its end token, and cuts them into blocks of one length.

    No token is lost: the last block is shorter. A block carries one weight, so rows of another weight begin a new one.

    Args:
        encoder: Turns a document into tokens.
        max_length: Tokens of a block.
    """

    def __init__(self, encoder: TextEncoder, *, max_length: int) -> None:
        self._encoder = encoder
        self._max_length = max_length
        self._ids: list[int] = []
        self._first: Sample | None = None

    @property
    def by_row(self) -> Encoder:
        """The encoder of single documents."""
        return self._encoder

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Add a document and return the blocks that it fills; none where it only begins one."""
        ids = self._encoder.document(sample)
        if isinstance(ids, Rejection):
            return ids
        blocks = self.finish() if self._first and self._first.weight != sample.weight else []
        self._first = self._first or sample
        self._ids += ids
        # Two tokens stay behind, for a block of one would have nothing to predict.
        while len(self._ids) >= self._max_length + 2:
            blocks.append(self._block(self._max_length))
            self._first = sample
        return blocks

    def finish(self) -> list[Example]:
        """Return the last blocks, and begin anew."""
        blocks = []
        if len(self._ids) == self._max_length + 1:
            blocks.append(self._block(self._max_length - 1))
        if self._ids:
            blocks.append(self._block(len(self._ids)))
        self._first = None
        return blocks

    def _block(self, length: int) -> Example:
        assert self._first
        ids = np.asarray(self._ids[:length], dtype=np.int32)
        self._ids = self._ids[length:]
        return Example(ids, ids.copy(), self._first.source, self._first.row, weight=self._first.weight)
