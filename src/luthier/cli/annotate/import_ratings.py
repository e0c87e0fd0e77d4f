"""`luthier data annotate import`: another tool's ratings into a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from luthier.cli.annotate.options import format_options, project_argument
from luthier.cli.data.options import file_argument, row_bar
from luthier.cli.output import json_option, print_json


@click.command("import")
@project_argument
@file_argument
@format_options
@click.option("--add-rows", is_flag=True, help="Add rows that the project lacks.")
@json_option
def import_ratings(project: Path, file: Path, add_rows: bool, as_json: bool, **options: Any) -> None:
    """Take the ratings, gold labels and pre-labels of FILE into PROJECT: all of them, or none with every fault named.

    FILE is an export of Label Studio or Argilla (JSON), or a table with a column per rater (rater:NAME) or with the
    number of raters per label (count:LABEL); a column `gold` holds labels known to be right. Importing twice changes
    nothing.
    """
    from luthier.data.annotation.files import open_ratings
    from luthier.data.annotation.intake import take_in

    source = open_ratings(file, **options)
    with row_bar("importing", is_silent=as_json) as advance:

        def counted() -> Any:
            for number, item in enumerate(source.items(), start=1):
                advance(number)
                yield item

        tally = take_in(project, counted(), source=str(file), adds_rows=add_rows)
    ignored = {name: count for name, count in source.ignored.items() if count}
    if as_json:
        print_json({"taken": tally, "ignored": ignored})
        return
    click.echo(", ".join(f"{count:,} {name}" for name, count in tally.items()) or "nothing new")
    if ignored:
        click.secho("not taken: " + ", ".join(f"{n:,} {name}" for name, n in ignored.items()), fg="yellow")
