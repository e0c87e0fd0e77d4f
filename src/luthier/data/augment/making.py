"""Making new rows: operations at work, what they make compared, measured and judged."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import xxhash

from luthier.data.augment.alter import Altered, SourceRow, alter, asked_texts
from luthier.data.augment.contract import Operation, TextOperation
from luthier.data.augment.counts import AugmentCounts
from luthier.data.augment.gate import DriftGate
from luthier.data.augment.held_out import text_key
from luthier.data.augment.provenance import Provenance
from luthier.data.augment.targets import keys_of, value_at
from luthier.data.row_json import dumps

DRIFT = "augment_drift"
"""Reason of a candidate that the gate refuses."""


_TOKENS = "/tokens/"


@dataclass(frozen=True, slots=True)
class Job:
    """A new row to be made.

    Args:
        label: Class of its source row.
        draw: Which draw of that class it is.
        operation: What makes it.
    """

    label: str
    draw: int
    operation: Operation


@dataclass
class Maker:
    """Makes new rows, and counts them.

    Args:
        seed: Makes every choice.
        gate: Judges new rows.
        attempts: How often a row is tried again when its new row is dropped.
        provenance_field: Field that gets the provenance.
        held_out: Keys of texts that no new row may repeat.
        counts: Gets what is made and dropped.
        seen: Keys of the texts that are there already; grows.
    """

    seed: int
    gate: DriftGate
    attempts: int
    provenance_field: str | None
    held_out: Collection[int]
    counts: AugmentCounts
    seen: set[int] = field(default_factory=set)

    def make(self, pending: list[tuple[SourceRow, Job]]) -> Iterator[dict[str, Any]]:
        """Yield the new rows of some jobs, and the candidates that drift too far."""
        for attempt in range(1, self.attempts + 1):
            failed: list[tuple[SourceRow, Job]] = []
            for operation in dict.fromkeys(job.operation for _, job in pending):
                mine = [(row, job) for row, job in pending if job.operation is operation]
                randoms = [self._random(job, attempt) for _, job in mine]
                altered = alter([row for row, _ in mine], operation, randoms)
                is_final = isinstance(operation, TextOperation) and not operation.is_random
                for (row, job), entry in zip(mine, self._judged(mine, altered, attempt), strict=True):
                    if entry is not None:
                        yield entry
                    if (entry is None or entry["reason"]) and not is_final:
                        failed.append((row, job))
            pending = failed

    def _judged(
        self, jobs: Sequence[tuple[SourceRow, Job]], altered: Sequence[Altered | None], attempt: int
    ) -> Iterator[dict[str, Any] | None]:
        """Yield an entry for each new row and each that drifts too far, None for one that is not worth one."""
        keys: list[int | None] = []
        for (row, job), new in zip(jobs, altered, strict=True):
            key = (
                text_key(asked_texts(SourceRow(row.source, row.number, new.row, row.pointers)))
                if new
                else None
            )
            reason = self._repeats(key)
            keys.append(None if reason else key)
            if reason:
                self.counts.dropped[job.operation.kind, reason] += 1
        pairs = [
            ("\n".join(new.before.values()), "\n".join(new.after.values()))
            for new, key in zip(altered, keys, strict=True)
            if new and key is not None
        ]
        drifts = iter(self.gate.measure(pairs))
        for (row, job), new, key in zip(jobs, altered, keys, strict=True):
            if new is None or key is None:
                yield None
                continue
            drift = next(drifts)
            kind = job.operation.kind
            fault = self.gate.fault(drift)
            if fault is None and key in self.seen:  # an equal one was made in this very chunk
                self.counts.dropped[kind, "duplicate"] += 1
                yield None
                continue
            provenance = Provenance(
                kind,
                self.seed,
                row.source,
                row.number,
                job.draw,
                attempt,
                drift.similarity,
                drift.edit_distance,
            )
            if fault:
                self.counts.dropped[kind, "drift"] += 1
            else:
                self.seen.add(key)
                self.counts.made[kind] += 1
                self.counts.classes[job.label].made += 1
            yield self._entry(row, new, provenance, fault)

    def _repeats(self, key: int | None) -> str | None:
        if key is None:
            return "unchanged"
        if key in self.held_out:
            return "held_out"
        return "duplicate" if key in self.seen else None

    def _entry(
        self, row: SourceRow, new: Altered, provenance: Provenance, fault: str | None
    ) -> dict[str, Any]:
        if self.provenance_field is not None:
            new.row[self.provenance_field] = provenance.as_text()
        pointers = _pointers(row, new.row)
        return {
            "source": row.source,
            "row": row.number,
            "raw": dumps(new.row).decode(),
            "edited": None,
            "paths": pointers,
            "texts": [value_at(new.row, keys_of(pointer)) for pointer in pointers],
            "reason": DRIFT if fault else None,
            "detail": f"{provenance.kind} of {row.source}, row {row.number}: {fault}" if fault else None,
            "changes": provenance.changes(new.before),
        }

    def _random(self, job: Job, attempt: int) -> Random:
        parts = (self.seed, job.label, job.operation.kind, job.draw, attempt)
        return Random(xxhash.xxh3_64_intdigest("\x1f".join(map(str, parts)).encode()))


def _pointers(source: SourceRow, row: Any) -> list[str]:
    """Return the places of a new row's texts: those of its source row, but for tokens, which may be more or fewer."""
    others = [pointer for pointer in source.pointers if not pointer.startswith(_TOKENS)]
    if len(others) == len(source.pointers):
        return others
    return [*others, *(f"{_TOKENS}{index}" for index in range(len(row["tokens"])))]
