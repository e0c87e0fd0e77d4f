"""`luthier ab assign`: ids to variants by a sticky hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from luthier.cli.ab.options import shares_of
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import DataError, LuthierError


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--experiment", required=True, help="Name of the experiment: another name, another assignment.")
@click.option("--id", "id_column", default="id", show_default=True, help="Column of the ids.")
@click.option(
    "--shares",
    default="control=0.5,treatment=0.5",
    show_default=True,
    metavar="NAME=SHARE,...",
    help="Of variants.",
)
@click.option(
    "--coverage",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Share of ids that take part.",
)
@click.option(
    "--hash",
    "hash_name",
    type=click.Choice(["blake2b", "growthbook-1", "growthbook-2"]),
    default="blake2b",
    show_default=True,
    help="GrowthBook's are for experiments that run there already.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the rows with their variant here."
)
@json_option
def assign(
    path: Path,
    experiment: str,
    id_column: str,
    shares: str,
    coverage: float,
    hash_name: Any,
    output: Path | None,
    as_json: bool,
) -> None:
    """Assign the ids of FILE to variants: the same id has the same variant whenever and wherever it is asked.

    Rows get a field `variant`, which is empty for ids that do not take part. A file of text has an id a line.
    """
    from luthier.data.sinks import writing
    from luthier.data.sources import read_rows
    from luthier.evaluate.ab.assignment import POSITIONS, bucket_ranges, variant_at

    by_name = shares_of(shares)
    ranges, names = bucket_ranges(list(by_name.values()), coverage), list(by_name)
    if output is not None and output.resolve() == path.resolve():
        raise LuthierError("the output would replace the input", where=str(output), cure="name another file")
    counts = dict.fromkeys([*names, ""], 0)
    rows = []
    for number, row in read_rows(path):
        if not isinstance(row, dict) or row.get(id_column) in (None, ""):
            known = ", ".join(row) if isinstance(row, dict) else type(row).__name__
            cure = f"name the column with --id; there are {known}"
            raise DataError(f"there is no {id_column!r}", where=f"{path}, row {number}", cure=cure)
        index = variant_at(POSITIONS[hash_name](experiment, str(row[id_column])), ranges)
        variant = "" if index is None else names[index]
        counts[variant] += 1
        rows.append({**row, "variant": variant})
    if output is not None:
        with writing(output) as write:
            for row in rows:
                write(row)
    if as_json:
        found: dict[str, Any] = {"experiment": experiment, "counts": {name: counts[name] for name in names}}
        print_json({**found, "left_out": counts[""], "rows": None if output else rows})
        return
    print_table(
        ("variant", "planned", "ids", "share"),
        [(name or "(left out)", _planned(name, by_name, coverage), f"{number:,}", f"{number / len(rows):.2%}")
         for name, number in counts.items()],
    )  # fmt: skip
    if output is not None:
        click.echo(f"wrote {output}")


def _planned(name: str, shares: dict[str, float], coverage: float) -> str:
    return f"{shares[name] * coverage if name else 1 - coverage:.2%}"
