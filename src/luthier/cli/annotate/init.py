"""`luthier data annotate init`: a new project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from luthier.cli.annotate.options import SCALES, project_argument
from luthier.cli.data.options import busy
from luthier.cli.output import json_option, print_json
from luthier.core.errors import DataError
from luthier.core.wording import count_of


@click.command()
@project_argument
@click.option(
    "--rows", type=click.Path(path_type=Path), help="File of rows to label; `import --add-rows` adds more."
)
@click.option("--label", "labels", multiple=True, help="Label, in the order of its scale; again for more.")
@click.option(
    "--labels", "labels_file", type=click.Path(path_type=Path), help="Text file with a label a line."
)
@click.option("--text-field", default="text", show_default=True, help="Field that raters read.")
@click.option("--id-field", help="Field of the row's id.  [default: id, or the row's number]")
@click.option("--question", default="label", show_default=True, help="Field that the label gets.")
@click.option(
    "--scale", type=click.Choice(SCALES), default="nominal", show_default=True, help="Of the labels."
)
@click.option(
    "--adjudication",
    type=click.Choice(["vote", "dawid-skene"]),
    default="vote",
    show_default=True,
    help="How ratings become one label.",
)
@click.option(
    "--guidelines", type=click.Path(path_type=Path), help="Markdown file.  [default: a form to fill in]"
)
@json_option
def init(
    project: Path,
    rows: Path | None,
    labels: tuple[str, ...],
    labels_file: Path | None,
    text_field: str,
    id_field: str | None,
    question: str,
    scale: Any,
    adjudication: Any,
    guidelines: Path | None,
    as_json: bool,
) -> None:
    """Make PROJECT, a folder with guidelines, label set and rows."""
    from luthier.data.annotation.project import GUIDELINES_FILE, create_project, rows_of_file
    from luthier.data.annotation.settings import Settings

    if labels and labels_file:
        raise DataError("--label and --labels both name labels", cure="use one of them")
    if labels_file:
        labels = tuple(line.strip() for line in _text(labels_file).splitlines() if line.strip())
    settings = Settings(labels, question, text_field, scale, adjudication)
    with busy("reading rows", is_silent=as_json):
        made = create_project(
            project,
            settings,
            rows_of_file(rows, id_field) if rows else (),
            guidelines=_text(guidelines) if guidelines else None,
            source=rows,
        )
    if as_json:
        print_json({"project": str(project), "rows": len(made.rows), "labels": list(labels)})
        return
    click.echo(f"{project}: {count_of(len(made.rows), 'row')}, {count_of(len(labels), 'label')}")
    if not guidelines:
        click.echo(f"Write down in {project / GUIDELINES_FILE} when which label is right.")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", where=str(path)) from error
