"""Notes of findings: with their places, carried by a batch beside its rows until a report takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow

_METADATA = b"luthier.personal_data"
"""Under this key of its schema's metadata a batch carries what was found in it."""


def with_note(batch: pyarrow.RecordBatch, note: Mapping[str, Any]) -> pyarrow.RecordBatch:
    """Return a batch that carries a note more."""
    metadata = dict(batch.schema.metadata or {})
    metadata[_METADATA] = orjson.dumps([*orjson.loads(metadata.get(_METADATA, b"[]")), note])
    return batch.replace_schema_metadata(metadata)


def without_notes(batch: pyarrow.RecordBatch) -> tuple[pyarrow.RecordBatch, list[dict[str, Any]]]:
    """Return a batch that carries no notes, and those that it carried."""
    metadata = dict(batch.schema.metadata or {})
    assert _METADATA in metadata, "a batch lost its note between the operator and its report"
    notes: list[dict[str, Any]] = orjson.loads(metadata.pop(_METADATA))
    return batch.replace_schema_metadata(metadata or None), notes
