"""Texts that no new row may repeat: those that are there already, and those that are held out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import pyarrow
import xxhash

from luthier.data.augment.alter import SourceRow, asked_texts
from luthier.data.operators.batch import rows_of


def text_key(texts: Sequence[str]) -> int:
    """Return a hash of texts in which case, width and white space make no difference."""
    folded = "\x1f".join(" ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in texts)
    return xxhash.xxh3_64_intdigest(folded.encode("utf-8", "surrogatepass"))


def kept_rows(batch: pyarrow.RecordBatch) -> Iterator[SourceRow]:
    """Yield the kept rows of a batch."""
    columns = (batch[name].to_pylist() for name in ("source", "row", "paths", "reason"))
    for row, source, number, paths, reason in zip(rows_of(batch), *columns, strict=True):
        if reason is None:
            yield SourceRow(source, number, row, tuple(paths))


def held_out_keys(batches: Iterable[pyarrow.RecordBatch]) -> set[int]:
    """Return the keys of what is asked in rows that are held out."""
    keys: set[int] = set()
    for batch in batches:
        for row in kept_rows(batch):
            if texts := asked_texts(row):
                keys.add(text_key(texts))
    return keys
