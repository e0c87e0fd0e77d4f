"""LabelErrors: a step that finds rows with a doubtful label, and leaves them out where it is asked to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.annotation.classifier import Embed
from luthier.data.annotation.label_errors import Filter, Findings, Suspect, find_label_errors
from luthier.data.operators.batch import leave_out_at, rows_of
from luthier.data.operators.spool import spooled
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
        label_field: Field of the label; in samples ``labels`` stands for ``label``, and attributes are fields, too.
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
        rows = _Labelled(self.label_field, self.make_embed())
        with spooled(rows.watch(batches)) as read:
            suspects = self._suspects(rows)
            for batch in read():
                yield leave_out_at(batch, _verdicts(batch, suspects)) if self.action == "drop" else batch

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

    def __init__(self, label_field: str, embed: Embed) -> None:
        self.label_field = label_field
        self.embed = embed
        self.places: list[Place] = []
        self.labels: list[str] = []
        self.vectors: list[NDArray[np.float32]] = []

    def watch(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Yield the batches as they are, and take their labelled rows."""
        for batch in batches:
            self._add(batch.filter(batch["reason"].is_null()))
            yield batch

    def _add(self, batch: pyarrow.RecordBatch) -> None:
        columns = (batch[name].to_pylist() for name in ("source", "row", "texts"))
        found = [
            (source, row, "\n".join(texts), label)
            for source, row, texts, content in zip(*columns, rows_of(batch), strict=True)
            if any(texts or ()) and (label := _label_of(content, self.label_field)) is not None
        ]
        if found:
            self.vectors.append(self.embed([text for _, _, text, _ in found]))
            self.places += [(source, row) for source, row, _, _ in found]
            self.labels += [label for *_, label in found]


def _verdicts(batch: pyarrow.RecordBatch, suspects: Mapping[Place, Suspect]) -> dict[int, tuple[str, str]]:
    """Return reason and detail of the suspects of a batch, by place in it."""
    places = zip(batch["source"].to_pylist(), batch["row"].to_pylist(), strict=True)
    return {
        index: (REASON, _detail(suspects[place])) for index, place in enumerate(places) if place in suspects
    }


def _detail(suspect: Suspect) -> str:
    return (
        f"label {suspect.label!r} has probability {suspect.label_probability:.3f}; "
        f"{suspect.suggestion!r} has {suspect.suggestion_probability:.3f}"
    )


def _label_of(row: Any, label_field: str) -> str | None:
    """Return the one label of a row, or None where it has none or several."""
    if not isinstance(row, Mapping):
        return None
    label = row.get(label_field)
    if label is None:  # of a sample
        attributes = row.get("attributes")
        label = row.get("labels") if label_field == "label" else None
        label = attributes.get(label_field) if label is None and isinstance(attributes, Mapping) else label
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    return str(label) if isinstance(label, str | int) and label != "" else None
