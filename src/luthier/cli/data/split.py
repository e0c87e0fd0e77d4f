"""`luthier data split`: held-out rows, folds and sets from another domain, free of leakage."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli.data.options import field_option, file_argument, row_bar
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import DataError


@click.command()
@file_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the rows to hold out.",
)
@click.option("--folds", type=click.IntRange(min=2), help="Parts of nearly equal size, for cross-validation.")
@click.option("--group-by", help="Field: rows with the same value stay on one side.")
@click.option(
    "--out-of-domain",
    "domains",
    metavar="FIELD=VALUE",
    multiple=True,
    help="Rows with this value form a set of their own; again for more.",
)
@click.option("--near", is_flag=True, help="Near duplicates stay on one side too.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    help="Similarity from which rows are near duplicates.  [default: 0.8]",
)
@click.option("--seed", type=int, default=42, show_default=True, help="Of the draw.")
@field_option
@json_option
def split(
    file: Path,
    output: Path,
    share: float | None,
    folds: int | None,
    group_by: str | None,
    domains: tuple[str, ...],
    near: bool,
    threshold: float | None,
    seed: int,
    fields: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the rows of FILE to train and eval, to folds, or to a set out of the domain.

    Rows with the same prompt, context or group always stay on one side.
    """
    from luthier.cli.data.dedup import finder_of
    from luthier.data.split_file import SplitOptions, split_file

    if share is not None and folds is not None:
        raise DataError("excludes --folds", where="--share", cure="name one of them")
    if share is None and folds is None and not domains:
        raise DataError("nothing says how to split", cure="name --share, --folds or --out-of-domain")
    make_finder = finder_of(near, False, threshold, None, None)
    options = SplitOptions(
        share, folds, group_by, _domains(domains), make_finder if near else None, seed, fields
    )
    with row_bar("reading", is_silent=as_json) as advance:
        counts = split_file(file, output, options, on_progress=advance)
    if as_json:
        print_json({"rows": counts})
        return
    total = sum(counts.values())
    print_table(
        ("file", "rows", "share"),
        [(name, f"{n:,}", f"{n / total:.1%}") for name, n in counts.items() if n or name != "rejected"],
    )
    click.echo(f"\nwrote {output}")


def _domains(entries: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the values of each field."""
    domains: dict[str, list[str]] = {}
    for entry in entries:
        name, is_pair, value = entry.partition("=")
        if not is_pair or not name:
            raise DataError(f"{entry!r} is not FIELD=VALUE", where="--out-of-domain", cure="e.g. topic=race")
        domains.setdefault(name, []).append(value)
    return domains
