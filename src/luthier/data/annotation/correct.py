"""Correct labels in a project or a file, and log each correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from luthier.core.errors import DataError
from luthier.data.annotation.adjudicate import adjudicate
from luthier.data.annotation.audit import checked_row
from luthier.data.annotation.corrections import Correction, CorrectionLog, Entry
from luthier.data.annotation.project import Project
from luthier.data.sinks import writing
from luthier.data.sources import read_rows


def right_labels(path: Path) -> dict[str, str]:
    """Return by row id what somebody wrote into the field ``correct_label`` of a list of rows.

    The lists are those of ``label-errors``, ``disputed`` and ``audit``.

    Raises:
        DataError: A field is missing, or a row comes twice with different labels.
    """
    found: dict[str, str] = {}
    for number, row in read_rows(path):
        where = f"{path}, row {number}"
        row_id, _, right = checked_row(row, where)
        if right is None:
            continue
        if found.setdefault(row_id, right) != right:
            raise DataError(f"row {row_id!r} is {found[row_id]!r} above and {right!r} here", where=where)
    return found


def correct_project(project: Project, right: Mapping[str, str], *, by: str, reason: str) -> list[Entry]:
    """Put labels in the place of a project's own; rows whose label is right already are left alone.

    Args:
        project: The project; its log is added to.
        right: Labels by row id.
        by: Who says so.
        reason: For those who ask later.

    Raises:
        DataError: There is no such row or label. Nothing was corrected.
    """
    items = list(project.items())
    labels, way = project.settings.labels, project.settings.adjudication
    before = {d.row: d.label for d in adjudicate(items, labels, way)} if right else {}
    corrections = []
    for row, label in right.items():
        project.require_row(row)
        project.require_label(label, f"row {row}")
        if before[row] != label:
            corrections.append(Correction(row, before[row], label, reason, by))
    return project.corrections.append(corrections)


def correct_file(
    path: Path,
    output: Path,
    right: Mapping[str, str],
    log: CorrectionLog,
    *,
    label_field: str,
    by: str,
    reason: str,
    labels: Sequence[str] = (),
) -> list[Entry]:
    """Write a file anew with right labels, and log what was wrong.

    What the log holds already is written but not logged again, so that the same call twice changes nothing.

    Args:
        path: Rows with a label.
        output: The corrected file.
        right: Labels by row number.
        log: Is added to when the file is complete.
        label_field: Field of the label.
        by: Who says so.
        reason: For those who ask later.
        labels: Known labels.  [default: those that the file has]

    Raises:
        DataError: There is no such row, field or label. Nothing was written.
    """
    known = {entry.row: entry.after for entry in log.entries()}
    corrections = _corrections(path, right, label_field, labels, by, reason)
    with writing(output) as write:
        for number, row in read_rows(path):
            write({**row, label_field: right.get(str(number), row[label_field])})
    return log.append(c for c in corrections if known.get(c.row) != c.after)


def _corrections(
    path: Path, right: Mapping[str, str], label_field: str, labels: Sequence[str], by: str, reason: str
) -> list[Correction]:
    corrections = []
    seen, missing = set(labels), dict(right)
    for number, row in read_rows(path):
        where = f"{path}, row {number}"
        if not isinstance(row, Mapping) or label_field not in row:
            raise DataError(
                f"there is no field {label_field!r}", where=where, cure="name it with --label-field"
            )
        label = None if row[label_field] is None else str(row[label_field])
        if not labels and label:
            seen.add(label)
        if (after := missing.pop(str(number), None)) is not None and after != label:
            corrections.append(Correction(str(number), label, after, reason, by))
    if missing:
        raise DataError(f"there is no row {next(iter(missing))}", where=str(path))
    if wrong := [correction for correction in corrections if correction.after not in seen]:
        cure = "add it with --label if it is a new label" if not labels else None
        raise DataError(f"{wrong[0].after!r} is not a label", where=f"{path}, row {wrong[0].row}", cure=cure)
    return corrections
