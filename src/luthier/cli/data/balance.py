"""`luthier data balance`: rows of rare classes and groups made to count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.data.left_out import counted
from luthier.cli.data.options import file_argument, output_option, row_bar
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import DataError
from luthier.core.wording import count_of

if TYPE_CHECKING:
    from luthier.data.balance.step import Balance
    from luthier.recipe.data_sections.balance import BalanceSection

_SHOWN_CLASSES = 8


@click.command()
@file_argument
@output_option
@click.option(
    "--by",
    multiple=True,
    required=True,
    help="Column whose values are the classes; again to combine several.",
)
@click.option(
    "--method",
    type=click.Choice(["weights", "oversample", "undersample", "stratified"]),
    help="Write a weight into each row, repeat rows, leave rows out, or draw a smaller set.  [default: weights]",
)
@click.option(
    "--weighting",
    type=click.Choice(["balanced", "inverse_sqrt", "effective_number", "independent"]),
    help="How weights follow from the sizes of the classes.  [default: balanced]",
)
@click.option("--beta", type=float, help="Of effective_number.  [default: 0.999]")
@click.option("--max-weight", type=float, help="No row is made to weigh more.")
@click.option(
    "--max-ratio", type=float, help="Largest class over smallest after over- or undersampling.  [default: 1]"
)
@click.option("--max-copies", type=int, help="No row is repeated more often.")
@click.option("--share", type=float, help="Share of the rows that stratified draws.")
@click.option("--rows", type=int, help="Rows that stratified draws.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@json_option
def balance(file: Path, output: Path, by: tuple[str, ...], seed: int, as_json: bool, **options: Any) -> None:
    """Balance the rows of FILE by the values of columns, on the way to --output.

    Weights stand in the column `weight`, which training reads; a row that has one already keeps it as a factor.
    """
    from luthier.data.balance.classes import value_in_row
    from luthier.data.balance.steps import steps_of
    from luthier.data.operators.files import open_batches, write_batches

    told: list[Balance] = []
    (step,) = steps_of(_section(by, options), seed=seed, find=value_in_row, on_balance=told.append)
    with row_bar("counting", is_silent=as_json) as read, row_bar("writing", is_silent=as_json) as wrote:
        batches = step(counted(open_batches(file, ("**",)), read))
        tally = write_batches(batches, output, on_progress=lambda tally: wrote(tally.rows))
    if as_json:
        classes = [vars(entry) for entry in told[0].classes]
        print_json({**tally.as_json(), "classes": classes, "without": told[0].without})
        return
    _print(told[0], by)
    more = f", and {output.name}.rejected.jsonl beside it" if tally.left_out else ""
    click.echo(f"\nwrote {output}: {count_of(tally.kept, 'row')}{more}")


def _section(by: tuple[str, ...], options: dict[str, Any]) -> BalanceSection:
    """Return the recipe's section for the options: what has no effect there has none here."""
    from pydantic import ValidationError

    from luthier.recipe.data_sections.balance import BalanceSection

    given = {name: value for name, value in options.items() if value is not None}
    try:
        return BalanceSection.model_validate({"by": list(by), **given})
    except ValidationError as error:
        first = error.errors()[0]
        option = "".join(f"--{str(part).replace('_', '-')}" for part in first["loc"][:1])
        raise DataError(first["msg"].removeprefix("Value error, "), where=option or None) from error


def _print(found: Balance, by: tuple[str, ...]) -> None:
    rows = [(c.name, f"{c.rows:,}", f"{c.rows_after:,}", f"{c.weight:.4g}") for c in found.classes]
    if len(rows) > 2 * _SHOWN_CLASSES:
        hidden = len(rows) - 2 * _SHOWN_CLASSES
        rows = [*rows[:_SHOWN_CLASSES], (f"… {hidden:,} more", "", "", ""), *rows[-_SHOWN_CLASSES:]]
    print_table((" × ".join(by), "rows", "after", "weight"), rows)
    if found.without:
        click.secho(
            f"without {' or '.join(by)}: {count_of(found.without, 'row')}, which stay as they are",
            fg="yellow",
        )
