"""LabelErrors: a step that finds rows with a doubtful label, and leaves them out where it is asked to."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow
import pyarrow.ipc
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.annotation.classifier import Embed
from luthier.data.annotation.label_errors import Filter, Findings, Suspect, find_label_errors
from luthier.data.operators.batch import ROW_BATCH, Verdict, leave_out, rows_of
from luthier.recipe.data_sections.label_errors import LabelErrorsSection

REASON = "label_error"

Place = tuple[str, int]
"""File and row number."""


@dataclass(frozen=True)
class LabelErrors:
    """Judges the labels of all rows together; rows without a text or a single label pass.

    Memory holds a vector a row; the rows wait in a temporary file until all are seen.

    Args:
        make_embed: Makes the encoder, when the first row comes.
        action: ``drop`` leaves suspects out; ``report`` only tells of them.
        label_field: Field of the label; in samples ``labels`` stands for ``label``.
        num_folds: Of the cross-validation.
        seed: Of the folds.
        filter_by: cleanlab's rule.
        on_found: Given the findings and the places that their indices count.
    """

    make_embed: Callable[[], Embed]
    action: Literal["report", "drop"] = "report"
    label_field: str = "label"
    num_folds: int = 5
    seed: int = 0
    filter_by: Filter = "low_normalized_margin"
    on_found: Callable[[Findings, Sequence[Place]], None] = lambda findings, places: None

    def __call__(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Take all batches, then yield them with the verdicts.

        Raises:
            DataError: No row has a label, or too few have the same.
        """
        rows = _Labelled()
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        with tempfile.TemporaryFile(prefix="luthier-rows-") as file:
            with pyarrow.ipc.new_stream(file, ROW_BATCH, options=options) as stream:
                embed = self.make_embed()
                for batch in batches:
                    stream.write_batch(batch)
                    rows.add(batch.filter(batch["reason"].is_null()), self.label_field, embed)
            suspects = self._suspects(rows)
            file.seek(0)
            for batch in pyarrow.ipc.open_stream(file):
                yield leave_out(batch, _Judge(batch, suspects)) if self.action == "drop" else batch

    def _suspects(self, rows: _Labelled) -> dict[Place, Suspect]:
        if not rows.labels:
            problem = f"no row has a text and a single label in the field {self.label_field!r}"
            raise DataError(problem, where="data.label_errors", cure="name the field of the label")
        findings = find_label_errors(
            np.concatenate(rows.vectors),
            rows.labels,
            num_folds=self.num_folds,
            seed=self.seed,
            filter_by=self.filter_by,
        )
        self.on_found(findings, rows.places)
        return {rows.places[suspect.index]: suspect for suspect in findings.suspects}


def steps_of(
    section: LabelErrorsSection,
    make_embed: Callable[[str], Embed],
    *,
    seed: int = 0,
    on_found: Callable[[Findings, Sequence[Place]], None] = lambda findings, places: None,
) -> list[LabelErrors]:
    """Return the step that a recipe's section asks for, or none.

    Args:
        section: ``data.label_errors``.
        make_embed: Makes an encoder from its name, e.g. the class ``luthier.models.embed.Embedder``.
        seed: Of the recipe.
        on_found: Given the findings and the places that their indices count.
    """
    if section.action == "off":
        return []
    return [
        LabelErrors(
            make_embed=lambda: make_embed(section.base),
            action=section.action,
            label_field=section.label_field,
            num_folds=section.num_folds,
            seed=seed,
            filter_by=section.filter_by,
            on_found=on_found,
        )
    ]


class _Labelled:
    """Places, labels and vectors of the rows that have a label."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.labels: list[str] = []
        self.vectors: list[NDArray[np.float32]] = []

    def add(self, batch: pyarrow.RecordBatch, label_field: str, embed: Embed) -> None:
        """Take the labelled rows of a batch."""
        columns = (batch[name].to_pylist() for name in ("source", "row", "texts"))
        found = [
            (source, row, "\n".join(texts), label)
            for source, row, texts, content in zip(*columns, rows_of(batch), strict=True)
            if any(texts or ()) and (label := _label_of(content, label_field)) is not None
        ]
        if found:
            self.vectors.append(embed([text for _, _, text, _ in found]))
            self.places += [(source, row) for source, row, _, _ in found]
            self.labels += [label for *_, label in found]


@dataclass(frozen=True)
class _Judge:
    """Leaves out the suspects of one batch."""

    batch: pyarrow.RecordBatch
    suspects: Mapping[Place, Suspect]

    def __call__(self, texts: Sequence[Sequence[str]]) -> list[Verdict]:
        """Return a verdict for each row that is kept."""
        kept = self.batch.filter(self.batch["reason"].is_null())
        places = zip(kept["source"].to_pylist(), kept["row"].to_pylist(), strict=True)
        return [_verdict(self.suspects[place]) if place in self.suspects else None for place in places]


def _verdict(suspect: Suspect) -> Verdict:
    return REASON, (
        f"label {suspect.label!r} has probability {suspect.label_probability:.3f}; "
        f"{suspect.suggestion!r} has {suspect.suggestion_probability:.3f}"
    )


def _label_of(row: Any, label_field: str) -> str | None:
    """Return the one label of a row, or None where it has none or several."""
    if not isinstance(row, Mapping):
        return None
    label = row.get(label_field)
    if label is None and label_field == "label":
        label = row.get("labels")  # of a sample
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    return str(label) if isinstance(label, str | int) and label != "" else None
