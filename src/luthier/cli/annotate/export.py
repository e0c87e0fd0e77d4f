"""`luthier data annotate export`: a project as another tool reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from luthier.cli.annotate.options import FORMATS, project_argument
from luthier.cli.data.options import busy, output_option
from luthier.cli.output import json_option, print_json
from luthier.core.errors import DataError
from luthier.core.wording import count_of


@click.command()
@project_argument
@output_option
@click.option("--format", "format", type=click.Choice(FORMATS), required=True, help="Of the file.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="Write Label Studio's labeling configuration here."
)
@json_option
def export(project: Path, output: Path, format: Any, config: Path | None, as_json: bool) -> None:
    """Write the rows of PROJECT with ratings, gold labels and pre-labels.

    For labelled rows to train on, see `luthier data annotate adjudicate`.
    """
    from luthier.core.files import write_text
    from luthier.data.annotation.files import write_ratings
    from luthier.data.annotation.labelstudio import labeling_config
    from luthier.data.annotation.project import Project

    if config and format != "labelstudio":
        raise DataError("--config has no effect without --format labelstudio", cure="leave it out")
    with busy("writing", is_silent=as_json):
        opened = Project(project)
        items = list(opened.items())
        write_ratings(output, items, opened.settings, format)
    if config:
        write_text(config, labeling_config(opened.settings))
    if as_json:
        print_json({"rows": len(items), "file": str(output), "format": format})
    else:
        click.echo(f"wrote {output}: {count_of(len(items), 'row')}")
