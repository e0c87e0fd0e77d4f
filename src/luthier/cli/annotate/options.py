"""Options that annotation commands share, and the ratings that they name: a project's, or those of a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.core.errors import DataError

if TYPE_CHECKING:
    from luthier.data.annotation.files import Format
    from luthier.data.annotation.items import Item

FORMATS = ("labelstudio", "argilla", "columns")
SCALES = ("nominal", "ordinal", "interval", "ratio")

project_argument = click.argument("project", type=click.Path(path_type=Path))
path_argument = click.argument("path", type=click.Path(path_type=Path))
confidence_option = click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the intervals.",
)
seed_option = click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")

_FORMAT_OPTIONS = (
    click.option(
        "--format", "format", type=click.Choice(FORMATS), help="Of the file.  [default: told by its rows]"
    ),
    click.option(
        "--control", help="Question that holds the label (Label Studio, Argilla), where there are several."
    ),
    click.option("--rater", "raters", multiple=True, help="Column of a rater; again for more (tables)."),
    click.option(
        "--count", "counts", multiple=True, help="Column with the raters of a label; again for more (tables)."
    ),
    click.option("--id-field", help="Column of the row's id (tables).  [default: id, or the row's number]"),
)
_LABEL_OPTIONS = (
    click.option(
        "--label",
        "labels",
        multiple=True,
        help="Label, in the order of its scale; again for more.  [default: all]",
    ),
)


def format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a file holds ratings."""
    for option in reversed(_FORMAT_OPTIONS):
        command = option(command)
    return command


def ratings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add PATH and the options of `load_ratings`."""
    for option in reversed((path_argument, *_FORMAT_OPTIONS, *_LABEL_OPTIONS)):
        command = option(command)
    return command


@dataclass(frozen=True)
class Ratings:
    """Rows with their ratings.

    Args:
        items: The rows.
        labels: In their order.
        scale: Of the project; None for a file.
        adjudication: Of the project; None for a file.
        question: Field that the label gets in written rows.
    """

    items: list[Item]
    labels: tuple[str, ...]
    scale: Any = None
    adjudication: Any = None
    question: str = "label"


def load_ratings(
    path: Path,
    *,
    format: Format | None,
    control: str | None,
    raters: tuple[str, ...],
    counts: tuple[str, ...],
    id_field: str | None,
    labels: tuple[str, ...],
) -> Ratings:
    """Return the ratings of a project or a file.

    Raises:
        DataError: They cannot be read, or an option has no effect on a project.
    """
    from luthier.data.annotation.files import open_ratings
    from luthier.data.annotation.project import Project
    from luthier.data.annotation.rating_table import labels_in

    if path.is_dir():
        if any((format, control, raters, counts, id_field, labels)):
            problem = "the options of a file have no effect on a project"
            raise DataError(problem, where=str(path), cure="leave them out: the project knows its labels")
        project = Project(path)
        settings = project.settings
        return Ratings(
            list(project.items()), settings.labels, settings.scale, settings.adjudication, settings.question
        )
    source = open_ratings(path, format, control=control, raters=raters, counts=counts, id_field=id_field)
    items = list(source.items())
    return Ratings(items, labels or labels_in(items))


def share(value: float | None) -> str:
    """Return a share for a table."""
    return "–" if value is None else f"{value:.1%}"


def shortened(text: Any, width: int = 60) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(str(text).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
