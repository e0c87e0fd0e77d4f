"""Contamination: items of a benchmark that share a passage with the training rows, so that their answers prove less."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow

from luthier.data.contamination import Decontaminate
from luthier.data.sample import Sample

_ROWS_AT_ONCE = 2000


class TrainedPassages:
    """The passages of the training rows; see `luthier.data.contamination` for what a passage is.

    Args:
        samples: Training rows.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._index = Decontaminate(_batches(samples))

    def places_of(self, texts: Sequence[str]) -> list[str]:
        """Return for each text where a training row shares a passage with it; empty where none does."""
        found = (self._index.overlap([text]) for text in texts)
        return ["" if overlap is None else overlap.place for overlap in found]


def _batches(samples: Sequence[Sample]) -> Iterator[pyarrow.RecordBatch]:
    for start in range(0, len(samples), _ROWS_AT_ONCE):
        part = samples[start : start + _ROWS_AT_ONCE]
        yield pyarrow.RecordBatch.from_pydict(
            {
                "source": [sample.source for sample in part],
                "row": [sample.row for sample in part],
                "texts": [_texts_of(sample) for sample in part],
                "reason": pyarrow.nulls(len(part), pyarrow.string()),
            }
        )


def _texts_of(sample: Sample) -> list[str]:
    turns = [message.content for message in sample.messages]
    whole = " ".join(turns)  # an item may be asked in one turn and answered in the next
    return [text for text in (*turns, whole, sample.text, sample.text_pair) if text]
