"""Audits: a random sample of labelled rows, large enough for the precision that is wanted, and what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luthier.core.errors import DataError
from luthier.data.annotation.labelled import LabelledRow
from luthier.data.annotation.rates import sample_size, wilson_interval
from luthier.data.sources import read_rows

CHECKED_FIELD = "correct_label"
"""Left empty in a sample; whoever checks it writes the right label there."""


@dataclass(frozen=True)
class AuditResult:
    """The share of wrong labels in a checked sample.

    Args:
        num_checked: Rows with a right label written beside.
        num_unchecked: Rows without: they do not count.
        num_errors: Rows whose label is not the right one.
        low: Lower end of the interval of the error rate.
        high: Upper end.
        errors: Those rows: id, label and right label.
    """

    num_checked: int
    num_unchecked: int
    num_errors: int
    low: float
    high: float
    errors: tuple[tuple[str, str, str], ...]


def draw_sample(
    rows: Sequence[LabelledRow],
    *,
    margin: float,
    confidence: float = 0.95,
    expected_rate: float = 0.05,
    seed: int = 0,
) -> list[LabelledRow]:
    """Draw rows at random, each with the same chance, so that their error rate is known to within ``margin``.

    Args:
        rows: All labelled rows.
        margin: Half of the width of the interval.
        confidence: Of the interval.
        expected_rate: Error rate that is thought likely; one half is the most careful choice.
        seed: Of the choice.
    """
    size = sample_size(len(rows), margin=margin, confidence=confidence, expected_rate=expected_rate)
    chosen = np.random.default_rng(seed).choice(len(rows), size, replace=False)
    return [rows[index] for index in sorted(chosen.tolist())]


def sample_row(row: LabelledRow) -> dict[str, str]:
    """Return a row of the file that is handed to whoever checks it."""
    return {"id": row.id, "text": row.text, "label": row.label, CHECKED_FIELD: ""}


def audit_result(path: Path, *, confidence: float = 0.95, labels: Sequence[str] = ()) -> AuditResult:
    """Return what a checked sample shows.

    Args:
        path: The sample, with `CHECKED_FIELD` filled in.
        confidence: Of the interval.
        labels: Known labels; none where any will do.

    Raises:
        DataError: A field is missing, or a right label is not known.
    """
    wrong: list[tuple[str, str, str]] = []
    num_checked = num_unchecked = 0
    for number, row in read_rows(path):
        row_id, label, right = checked_row(row, f"{path}, row {number}", labels)
        if right is None:
            num_unchecked += 1
            continue
        num_checked += 1
        if right != label:
            wrong.append((row_id, label, right))
    low, high = wilson_interval(len(wrong), num_checked, confidence)
    return AuditResult(num_checked, num_unchecked, len(wrong), low, high, tuple(wrong))


def checked_row(row: Any, where: str, labels: Sequence[str] = ()) -> tuple[str, str, str | None]:
    """Return id, label and right label of a row that was checked; None where nobody wrote one.

    Raises:
        DataError: A field is missing, or the right label is not known.
    """
    if not isinstance(row, Mapping):
        raise DataError("holds no fields", where=where)
    for name in ("id", "label", CHECKED_FIELD):
        if name not in row:
            known = ", ".join(map(str, row))
            raise DataError(f"the field {name!r} is missing", where=where, cure=f"fields: {known}")
    right = str(row[CHECKED_FIELD] if row[CHECKED_FIELD] is not None else "").strip()
    if right and labels and right not in labels:
        raise DataError(f"{right!r} is not a label", where=where, cure=f"labels: {', '.join(labels[:20])}")
    return str(row["id"]), str(row["label"]), right or None
