"""What all annotation tools have in common: a row, who rated it how and when, its gold label, a model's proposals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from luthier.core.errors import DataError


@dataclass(frozen=True)
class Rating:
    """What one named rater said about a row.

    Args:
        rater: Name, address or number of the person.
        label: None where the rater saw the row and skipped it.
        at: When, as `moment` spells it; None where the tool does not tell.
        seconds: How long it took.
    """

    rater: str
    label: str | None
    at: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Gold:
    """The answer that is known to be right, and who vouches for it."""

    label: str
    by: str | None = None
    at: str | None = None


@dataclass(frozen=True)
class Prelabel:
    """What a model proposes."""

    label: str
    score: float | None
    model: str
    at: str | None = None


@dataclass(frozen=True)
class Item:
    """One row with everything that is known about its label.

    Args:
        id: Unique in its project.
        data: The row itself.
        ratings: Of named raters, in the order they were made.
        counts: Ratings of raters without a name: how many chose each label.
        gold: The right answer, where it is known.
        prelabels: At most one a model.
        corrected: Label that a correction put in the place of all others.
        where: File and row, for errors.
    """

    id: str
    data: Mapping[str, Any]
    ratings: tuple[Rating, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    gold: Gold | None = None
    prelabels: tuple[Prelabel, ...] = ()
    corrected: str | None = None
    where: str = field(default="", compare=False)


def now() -> str:
    """Return the present time, as `moment` spells it."""
    return moment(datetime.now(UTC), where="clock")


def moment(value: Any, *, where: str) -> str:
    """Return a time as UTC in ISO 8601 with microseconds, so that text sorts as time does.

    Args:
        value: A ``datetime`` or ISO 8601 text; without a zone it is UTC.
        where: File, row, rater and field, for the error.

    Raises:
        DataError: The text is no time.
    """
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        cure = "write it as ISO 8601, e.g. 2026-11-23T10:15:00Z"
        raise DataError(f"{value!r} is not a time", where=where, cure=cure) from error
    return time.isoformat(timespec="microseconds")
