"""Files of ratings by their format: Label Studio, Argilla, or a table with a column per rater or label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from luthier.core.errors import DataError
from luthier.data.annotation.argilla import ArgillaFile, write_argilla
from luthier.data.annotation.items import Item
from luthier.data.annotation.labelstudio import LabelStudioFile, write_labelstudio
from luthier.data.annotation.rating_columns import RatingColumns, write_rating_columns
from luthier.data.annotation.settings import Settings
from luthier.data.sources import read_rows

Format = Literal["labelstudio", "argilla", "columns"]


class RatingsFile(Protocol):
    """A file of ratings.

    Attributes:
        ignored: What it holds beside labels, and how often; filled while items are read.
    """

    ignored: Counter[str]

    def items(self) -> Iterator[Item]:
        """Yield one item a row."""


def open_ratings(
    path: Path,
    format: Format | None = None,
    *,
    control: str | None = None,
    raters: Sequence[str] = (),
    counts: Sequence[str] = (),
    id_field: str | None = None,
) -> RatingsFile:
    """Return a reader of a file of ratings.

    Args:
        path: The file.
        format: Told by the first row where it is not named.
        control: Question that holds the label (Label Studio, Argilla).
        raters: Columns of raters (columns).
        counts: Columns with the number of raters per label (columns).
        id_field: Column of the row's id (columns).

    Raises:
        DataError: The file cannot be read, or an option has no effect on its format.
    """
    format = format or detect(path)
    of_tables = {"--rater": raters, "--count": counts, "--id-field": id_field}
    idle = [name for name, value in of_tables.items() if value] if format != "columns" else []
    if format == "columns" and control:
        idle = ["--control"]
    if idle:
        raise DataError(
            f"{idle[0]} has no effect on the format {format}", where=str(path), cure="leave it out"
        )
    if format == "columns":
        return RatingColumns(path, tuple(raters), tuple(counts), id_field)
    return LabelStudioFile(path, control) if format == "labelstudio" else ArgillaFile(path, control)


def detect(path: Path) -> Format:
    """Return the format that the first row has."""
    _, row = next(read_rows(path))
    if isinstance(row, dict):
        if isinstance(row.get("data"), dict) and row.keys() & {"annotations", "predictions", "completions"}:
            return "labelstudio"
        if isinstance(row.get("fields"), dict):
            return "argilla"
    return "columns"


def write_ratings(path: Path, items: Sequence[Item], settings: Settings, format: Format) -> None:
    """Write a file that `open_ratings` and the tool of that name read.

    Raises:
        DataError: The kind of file does not hold it.
    """
    if format == "columns":
        write_rating_columns(path, items, settings.labels)
    elif path.suffix.lower() != ".json":
        raise DataError(f"{format} reads .json", where=str(path), cure="name a .json file")
    elif format == "labelstudio":
        write_labelstudio(path, items, settings)
    else:
        write_argilla(path, items, settings)
