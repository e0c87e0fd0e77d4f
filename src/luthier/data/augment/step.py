"""The augmentation step: training rows pass through unaltered, and new rows made from them follow."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow
import xxhash

from luthier.core.errors import DataError
from luthier.data.augment.alter import asked_texts
from luthier.data.augment.contract import Operation
from luthier.data.augment.counts import AugmentCounts, ClassCounts
from luthier.data.augment.gate import DriftGate
from luthier.data.augment.held_out import kept_rows, text_key
from luthier.data.augment.making import Job, Maker
from luthier.data.augment.quota import Quota, draws
from luthier.data.augment.targets import value_at
from luthier.data.operators.batch import ROW_BATCH, rows_of, with_columns
from luthier.data.operators.spool import kept_rows_at, spooled
from luthier.data.row_json import dumps

_ROUNDS = 3
_CHUNK = 256


class Augmentation:
    """A step that adds rows. It is given training rows only; what is held out never passes through it.

    Rows that come in go out first, as they came. New rows follow, each with the place of its source row
    as its own, and with its provenance among its changes. Candidates that drift too far follow too, left
    out with reason ``augment_drift``, so that a person can read what the gate refuses.

    Args:
        operations: What makes new rows.
        quota: How many.
        seed: Makes every choice.
        gate: Judges new rows.
        label_field: Field of the rows with their class; dotted where nested.
        attempts: How often a row is tried again when its new row is dropped.
        group_field: Field that gets the place of the source row, in source and new rows alike, where it is
            empty: a split that keeps groups together never separates them. None leaves rows without.
        provenance_field: Field of a file's rows that gets the provenance as JSON; ``""`` in source rows.
        held_out: Keys of texts that no new row may repeat, from `held_out_keys`.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        quota: Quota,
        *,
        seed: int,
        gate: DriftGate | None = None,
        label_field: str | None = None,
        attempts: int = 3,
        group_field: str | None = "group",
        provenance_field: str | None = None,
        held_out: Collection[int] = frozenset(),
    ) -> None:
        if quota.needs_classes and label_field is None:
            raise DataError("classes are to be augmented one by one, but no field names the class of a row")
        self.operations = tuple(operations)
        self.quota = quota
        self.seed = seed
        self.gate = gate or DriftGate()
        self.label_field = label_field
        self.attempts = attempts
        self.group_field = group_field
        self.provenance_field = provenance_field
        self.held_out = held_out
        self.counts = AugmentCounts()
        """Of the last pass."""

    def __call__(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Yield all rows that come in, then the new ones."""
        self.counts = AugmentCounts()
        self._maker = Maker(
            self.seed, self.gate, self.attempts, self.provenance_field, self.held_out, self.counts
        )
        self._class_rows: dict[str, array[int]] = {}
        self._num_rows = 0
        with spooled(map(self._taken_in, batches)) as again:
            self._check_labels()
            yield from again()
            yield from self._new_rows(again)

    def _taken_in(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Return a batch marked, with its rows counted."""
        marked = self._marked(batch)
        self._take_in(marked)
        return marked

    def _marked(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Return a batch whose kept rows have a group and a provenance, which is empty for those that were read."""
        if self.group_field is None and self.provenance_field is None:
            return batch
        columns = (batch[name].to_pylist() for name in ("source", "row", "edited", "reason"))
        edited = [
            before if reason else dumps(self._marked_row(row, f"{source}:{number}"))
            for row, source, number, before, reason in zip(rows_of(batch), *columns, strict=True)
        ]
        return with_columns(batch, edited=pyarrow.array(edited, pyarrow.string()))

    def _marked_row(self, row: Any, place: str) -> Any:
        if self.group_field is not None and row.get(self.group_field) in (None, ""):
            row[self.group_field] = place
        if self.provenance_field is not None and row.get(self.provenance_field) is None:
            row[self.provenance_field] = ""
        return row

    def _take_in(self, batch: pyarrow.RecordBatch) -> None:
        """Count the kept rows of a batch, and note the number of each that others can be made of."""
        first = self._num_rows
        self._num_rows += batch["reason"].null_count
        for number, row in enumerate(kept_rows(batch), start=first):
            label = self._label(row.row)
            if label is None:
                self.counts.without_label += 1
                continue
            each = self.counts.classes.setdefault(label, ClassCounts())
            if self.provenance_field is not None and row.row[self.provenance_field]:
                each.augmented += 1
                self._maker.seen.add(text_key(asked_texts(row)))
                continue
            each.rows += 1
            texts = asked_texts(row)
            if not texts:
                self.counts.without_target += 1
                continue
            self._maker.seen.add(text_key(texts))
            self._class_rows.setdefault(label, array("q")).append(number)

    def _label(self, row: Any) -> str | None:
        if not self.quota.needs_classes:
            return ""
        label = _class_of(row, str(self.label_field))
        if isinstance(label, list):
            label = "|".join(sorted(map(str, label))) or None
        return None if label is None or isinstance(label, Mapping) else str(label)

    def _check_labels(self) -> None:
        if self.quota.needs_classes and not self.counts.classes:
            raise DataError(
                f"no row has a class: none of {self.counts.without_label} has the field {self.label_field!r}",
                cure="name the field that holds the class",
            )

    def _new_rows(self, again: Callable[[], Iterator[pyarrow.RecordBatch]]) -> Iterator[pyarrow.RecordBatch]:
        """Yield new rows in rounds: what the gate drops is made up for from other rows, while there are any."""
        streams = {}
        for label, rows in self._class_rows.items():
            each = self.counts.classes[label]
            each.wanted, each.capped = self.quota.wanted(each.rows, each.augmented)
            generator = np.random.default_rng([self.seed, xxhash.xxh32_intdigest(label.encode())])
            streams[label] = enumerate(draws(rows, self.quota.shares, generator))
        for _ in range(_ROUNDS):
            num_made = self.counts.total("made")
            jobs: dict[int, list[Job]] = {}
            for label, stream in streams.items():
                each = self.counts.classes[label]
                for draw, (number, kind) in islice(stream, each.wanted - each.made):
                    jobs.setdefault(number, []).append(Job(label, draw, self.operations[kind]))
            pairs = (
                (row, job)
                for numbers, batch in kept_rows_at(again(), sorted(jobs))
                for number, row in zip(numbers, kept_rows(batch), strict=True)
                for job in jobs[number]
            )
            # Chunks do not follow the batches, so that these make no difference to what comes out.
            while chunk := list(islice(pairs, _CHUNK)):
                if entries := list(self._maker.make(chunk)):
                    yield pyarrow.RecordBatch.from_pylist(entries, schema=ROW_BATCH)
            if self.counts.total("made") == num_made:
                return


def _class_of(row: Any, field: str) -> Any:
    """Return the class of a row of a file, or of a sample, which keeps it among its labels or attributes."""
    try:
        return value_at(row, field.split("."))
    except (KeyError, TypeError, IndexError, ValueError):
        pass
    in_sample = row.get("labels") if field == "label" else None
    return in_sample if in_sample is not None else (row.get("attributes") or {}).get(field)
