"""Rows with a text and a label, from a project's decisions or from any file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from luthier.core.errors import DataError
from luthier.data.annotation.adjudicate import adjudicate
from luthier.data.annotation.project import Project
from luthier.data.sources import SURPLUS, read_rows


@dataclass(frozen=True)
class LabelledRow:
    """A row with its label.

    Args:
        id: Of the row in its project, or its number in the file, from 1.
        text: What is labelled.
        label: As it is.
    """

    id: str
    text: str
    label: str


@dataclass(frozen=True)
class LabelledRows:
    """Rows that have a label, and how many have none."""

    rows: tuple[LabelledRow, ...]
    num_without: int


def labelled_rows(
    path: Path, *, text_field: str | None = None, label_field: str | None = None
) -> LabelledRows:
    """Return the labelled rows of a project or a file.

    Args:
        path: A project, whose ratings are adjudicated, or a file.
        text_field: Field of the text in a file.  [default: text]
        label_field: Field of the label in a file.  [default: label]

    Raises:
        DataError: A row lacks a field, its text is no text, or no row has a label.
    """
    if path.is_dir():
        if text_field or label_field:
            raise DataError(
                "a project names its own fields", where=str(path), cure="leave the field options out"
            )
        found = project_rows(Project(path))
    else:
        found = _file_rows(path, text_field or "text", label_field or "label")
    if not found.rows:
        raise DataError("no row has a label", where=str(path))
    return found


def project_rows(project: Project) -> LabelledRows:
    """Return the rows of a project whose label is decided."""
    items = list(project.items())
    decisions = adjudicate(items, project.settings.labels, project.settings.adjudication)
    rows = tuple(
        LabelledRow(item.id, str(item.data[project.settings.text_field]), decision.label)
        for item, decision in zip(items, decisions, strict=True)
        if decision.label is not None
    )
    return LabelledRows(rows, len(items) - len(rows))


def _file_rows(path: Path, text_field: str, label_field: str) -> LabelledRows:
    rows = []
    num_without = 0
    for number, row in read_rows(path):
        where = f"{path}, row {number}"
        if not isinstance(row, Mapping):
            raise DataError(f"holds {type(row).__name__}, no object", where=where)
        for name, option in ((text_field, "--text-field"), (label_field, "--label-field")):
            if name not in row:
                fields = ", ".join(str(field) for field in row if field != SURPLUS)
                cure = f"name the field with {option}; the row has: {fields}"
                raise DataError(f"there is no field {name!r}", where=where, cure=cure)
        text, label = row[text_field], row[label_field]
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"holds {text!r}, no text", where=f"{where}, field {text_field}")
        if label is None or label == "":
            num_without += 1
        elif isinstance(label, bool) or not isinstance(label, str | int):
            cure = "one label a row was expected"
            raise DataError(f"holds {label!r}", where=f"{where}, field {label_field}", cure=cure)
        else:
            rows.append(LabelledRow(str(number), text, str(label)))
    return LabelledRows(tuple(rows), num_without)
