"""`luthier data clean`: texts of a file repaired and made uniform, rows left out with their reason."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.data.left_out import Examples, print_left_out
from luthier.cli.data.options import field_option, file_argument, output_option, processes_option, row_bar
from luthier.cli.data.section_options import checked_section, given_options, section_in_file, section_options
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import DataError
from luthier.core.wording import count_of
from luthier.recipe.data_sections.clean import CleanSection, QualitySection

if TYPE_CHECKING:
    from luthier.data.operators.files import Tally

_STANDARD = {"unicode": True, "control_characters": True, "white_space": "tidy"}


@click.command()
@file_argument
@output_option
@section_options(CleanSection, leave_out=("missing", "quality"))
@click.option(
    "--missing",
    metavar="FIELD=ACTION",
    multiple=True,
    help="What becomes of rows that lack a field: drop, mean, median, mode, or constant:VALUE; again for more.",
)
@section_options(QualitySection)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="YAML file with keys of `data.clean`; options win over it.",
)
@field_option
@processes_option
@click.option("--ray", "ray_address", metavar="ADDRESS", help="Run on this Ray cluster; `local` starts one.")
@json_option
def clean(
    file: Path,
    output: Path,
    missing: tuple[str, ...],
    config: Path | None,
    fields: tuple[str, ...],
    processes: int,
    ray_address: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Clean the texts of FILE; nothing but texts is changed, except fields that --missing names.

    Without any option for what to clean: --unicode --control-characters --white-space tidy. Rows left out stand in
    OUTPUT.rejected.jsonl with their reason, what changed texts were before in OUTPUT.changes.jsonl.
    """
    from luthier.data.clean.build import operators_of, steps_of
    from luthier.data.operators.execute import apply
    from luthier.data.operators.files import open_batches, open_lines, render, write_batches
    from luthier.data.sinks import takes_json

    if ray_address is not None and processes > 1:
        raise DataError("--processes takes no effect beside --ray", cure="leave one of them out")
    section = _section(missing, config, options)
    examples = Examples()
    steps, operators = steps_of(section), operators_of(section)
    if steps:
        batches = reduce(lambda rows, step: step(rows), steps, open_batches(file, fields))
    else:
        batches, first = open_lines(file, fields)
        operators = [*first, *operators]
    operators = [*operators, render] if takes_json(output) else operators
    cleaned = apply(batches, operators, num_processes=processes, ray_address=ray_address)
    with row_bar("cleaning", is_silent=as_json) as advance:
        tally = write_batches(examples.noted(cleaned), output, on_progress=lambda tally: advance(tally.rows))
    if as_json:
        print_json(tally.as_json())
        return
    _print(tally, examples, output)


def _section(missing: tuple[str, ...], config: Path | None, options: dict[str, Any]) -> CleanSection:
    """Return what is asked for: the file's keys, and the options over them."""
    values = section_in_file(config) | given_options(CleanSection, options)
    if missing:
        values["missing"] = [_missing_rule(text) for text in missing]
    if quality := given_options(QualitySection, options):
        values["quality"] = {**values.get("quality", {}), **quality}
    return checked_section(CleanSection, values or _STANDARD, source=str(config or "the options"))


def _missing_rule(text: str) -> dict[str, Any]:
    field, _, action = text.rpartition("=") if ":" not in text else text.partition("=")
    action, _, value = action.partition(":")
    return {"field": field, "action": action} | ({"value": value} if value else {})


def _print(tally: Tally, examples: Examples, output: Path) -> None:
    click.echo(f"{count_of(tally.rows, 'row')}, {tally.kept:,} kept, {tally.changed:,} of them changed")
    if tally.changes:
        print_table(("cleaned by", "texts"), [(name, f"{n:,}") for name, n in tally.changes.most_common()])
        click.echo()
    print_left_out(tally, examples, output)
    if tally.changes:
        click.echo(f"what the changed texts were before stands in {output.name}.changes.jsonl")
