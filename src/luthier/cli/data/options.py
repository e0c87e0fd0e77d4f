"""Options that several `luthier data` commands share, and the bar of those that go through a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from luthier.core.errors import DataError
from luthier.core.wording import count_of

base_option = click.option(
    "--base", default="smollm2-135m-instruct", show_default=True, help="Base whose tokenizer is used."
)
template_option = click.option(
    "--chat-template", help="chatml or a Jinja file.  [default: the tokenizer's own]"
)
file_argument = click.argument("file", type=click.Path(path_type=Path))
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write; its suffix says the kind.",
)
field_option = click.option(
    "--field",
    "fields",
    multiple=True,
    help="Field that holds text, dotted where nested (messages.*.content); again for more.  "
    "[default: those of the rows' schema]",
)
processes_option = click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes to spread the rows over.",
)


@contextmanager
def busy(what: str, *, is_silent: bool) -> Iterator[None]:
    """Show that something is at work, and for how long; see `row_bar`."""
    with row_bar(what, is_silent=is_silent):
        yield


@contextmanager
def row_bar(what: str, *, is_silent: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows how many rows are done; nothing is drawn where nobody looks.

    Args:
        what: Verb beside the number, e.g. ``cleaning``.
        is_silent: With ``--json``.
    """
    if is_silent or not sys.stderr.isatty():
        yield lambda rows: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what)
        yield lambda rows: progress.update(task, description=f"{what} {count_of(rows, 'row')}")


def pairs_of(option: str, entries: Sequence[str]) -> list[tuple[str, str]]:
    """Return name and value of each NAME=VALUE.

    Args:
        option: As it is written, for the error.
        entries: What was given.

    Raises:
        DataError: One has no `=`.
    """
    pairs = [entry.partition("=") for entry in entries]
    if wrong := next((entry for entry, (_, sign, _) in zip(entries, pairs, strict=True) if not sign), None):
        raise DataError(
            f"{wrong!r} has no =", where=option, cure="what it is called here = what the file has"
        )
    return [(name, value) for name, _, value in pairs]
