"""`luthier data agreement`: how far raters agree, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.annotate.options import (
    SCALES,
    confidence_option,
    load_ratings,
    ratings_options,
    seed_option,
)
from luthier.cli.data.options import busy
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.wording import count_of

if TYPE_CHECKING:
    from luthier.data.annotation.agreement import Agreement, Measure


@click.command()
@ratings_options
@click.option(
    "--scale", type=click.Choice(SCALES), help="Of the labels.  [default: the project's, or nominal]"
)
@click.option(
    "--raters-per-row",
    type=click.IntRange(min=2),
    help="Fleiss' kappa takes rows with this many ratings.  [default: the most frequent number]",
)
@click.option(
    "--samples",
    type=click.IntRange(min=100),
    default=1000,
    show_default=True,
    help="Bootstrap samples of the intervals.",
)
@confidence_option
@seed_option
@json_option
def agreement(
    path: Path,
    scale: Any,
    raters_per_row: int | None,
    samples: int,
    confidence: float,
    seed: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure how far the raters of PATH agree: Fleiss, Krippendorff and Cohen, with bootstrap intervals.

    PATH is an annotation project, or a file of ratings: an export of Label Studio or Argilla, or a table.
    """
    from luthier.data.annotation.agreement import Bootstrap, agreement_of
    from luthier.data.annotation.rating_table import table_of

    with busy("measuring", is_silent=as_json):
        ratings = load_ratings(path, **options)
        found = agreement_of(
            table_of(ratings.items, ratings.labels),
            scale or ratings.scale or "nominal",
            raters_per_row=raters_per_row,
            bootstrap=Bootstrap(samples, confidence, seed),
        )
    if as_json:
        print_json(_facts(found, confidence))
    else:
        _print(found, confidence)


def _facts(found: Agreement, confidence: float) -> dict[str, Any]:
    return {
        "scale": found.scale,
        "rows": found.num_rows,
        "ratings": found.num_ratings,
        "confidence": confidence,
        "measures": [vars(measure) for measure in found.measures],
        "pairs": [
            {"first": pair.first, "second": pair.second, **vars(pair.kappa), "p_value": pair.p_value}
            for pair in found.pairs
        ],
    }


def _print(found: Agreement, confidence: float) -> None:
    click.echo(f"{count_of(found.num_rows, 'row')}, {found.num_ratings:,} ratings, {found.scale} scale\n")
    header = ("measure", "value", f"{confidence:.0%} interval", "rows", "")
    print_table(header, [(measure.name, *_cells(measure), measure.note) for measure in found.measures])
    if found.pairs:
        click.echo()
        of_pairs = ("rater", "rater", "Cohen's kappa", f"{confidence:.0%} interval", "rows", "")
        print_table(
            of_pairs,
            [(pair.first, pair.second, *_cells(pair.kappa), pair.kappa.note) for pair in found.pairs],
        )


def _cells(measure: Measure) -> tuple[str, str, str]:
    value = "–" if measure.value is None else f"{measure.value:.3f}"
    interval = (
        "–" if measure.low is None or measure.high is None else f"{measure.low:.3f} to {measure.high:.3f}"
    )
    return value, interval, f"{measure.num_rows:,}"
