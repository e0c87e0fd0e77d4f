"""`luthier ab analyze`: an experiment's variants compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from luthier.cli.ab.options import named_number, shares_of
from luthier.cli.data.options import busy
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import LuthierError

if TYPE_CHECKING:
    from luthier.evaluate.ab.analysis import Analysis

_WITHIN = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--variant", default="variant", show_default=True, help="Column of the variant.")
@click.option("--metric", "metrics", multiple=True, required=True, metavar="COLUMN[/COLUMN]",
              help="A rate or mean per unit, or a ratio: clicks/views, seconds/rows. May be repeated.")  # fmt: skip
@click.option("--unit", help="Column of whom a row is of; his rows are added up.  [default: each is one]")
@click.option(
    "--order-by", "order", help="Column that sorts the rows by time.  [default: they stand in order]"
)
@click.option(
    "--covariate", help="Column that was known of a unit before: CUPED. Empty where nothing is known."
)
@click.option("--stratum", help="Column of groups that were known before, e.g. country.")
@click.option("--control", default="control", show_default=True, help="Name of the control.")
@click.option("--shares", default="control=0.5,treatment=0.5", show_default=True, metavar="NAME=SHARE,...",
              help="Planned shares of the variants.")  # fmt: skip
@click.option(
    "--alpha", type=_WITHIN, default=0.05, show_default=True, help="One minus the coverage of intervals."
)
@click.option("--planned-units", type=click.FloatRange(min=4), default=10_000, show_default=True,
              help="Of control and treatment, from `luthier ab plan`; never from the data.")  # fmt: skip
@click.option("--bounds", multiple=True, metavar="METRIC=LOW:HIGH", help="Known limits of a unit's outcome.")
@click.option(
    "--margin", multiple=True, metavar="METRIC=NUMBER", help="Also test that it is not worse by this."
)
@click.option("--lower-is-better", multiple=True, metavar="METRIC", help="May be repeated.")
@json_option
def analyze(
    path: Path,
    variant: str,
    metrics: tuple[str, ...],
    unit: str | None,
    order: str | None,
    covariate: str | None,
    stratum: str | None,
    control: str,
    shares: str,
    alpha: float,
    planned_units: float,
    bounds: tuple[str, ...],
    margin: tuple[str, ...],
    lower_is_better: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare the variants in FILE (CSV, JSONL, Parquet) on each metric.

    Two results are told. The one at every look holds however often you look, and is what you may stop on. The one at
    one look holds only if FILE was looked at once, after as many units as were planned.
    """
    from luthier.evaluate.ab.analysis import Settings, analyse
    from luthier.evaluate.ab.rows import Columns, metric_of, read_units

    by_share = shares_of(shares)
    if control not in by_share:
        cure = f"the variants are {', '.join(by_share)}"
        raise LuthierError(f"the control {control!r} is not among --shares", where="--control", cure=cure)
    if twice := next((name for name in metrics if metrics.count(name) > 1), None):
        raise LuthierError(f"{twice!r} stands twice", where="--metric", cure="name each metric once")
    parsed = [metric_of(text) for text in metrics]
    margins = dict(named_number(part, "--margin", "write clicked=0.01") for part in margin)
    limits = dict(_bounds(part) for part in bounds)
    for option, names in (
        ("--margin", list(margins)),
        ("--bounds", list(limits)),
        ("--lower-is-better", lower_is_better),
    ):
        if unknown := next((name for name in names if name not in metrics), None):
            cure = f"the metrics are {', '.join(metrics)}"
            raise LuthierError(f"{unknown!r} is not among --metric", where=option, cure=cure)
    if ratio := next(
        (metric.name for metric in parsed if metric.denominator and metric.name in limits), None
    ):
        raise LuthierError(
            "bounds take effect on rates and means only", where=f"--bounds {ratio}", cure="leave it out"
        )
    if negative := next((name for name, value in margins.items() if value < 0), None):
        raise LuthierError(
            "a margin is not negative", where=f"--margin {negative}", cure="write how much worse is fine"
        )
    settings = Settings(control, by_share, alpha, planned_units, limits, margins, frozenset(lower_is_better))
    with busy("comparing", is_silent=as_json):
        rows = read_units(path, Columns(variant, parsed, unit, order, covariate, stratum))
        found = analyse(rows, parsed, settings)
    if as_json:
        from luthier.cli.ab.facts import facts_of

        print_json(facts_of(found, settings))
    else:
        _print(found, settings)


def _bounds(part: str) -> tuple[str, tuple[float, float]]:
    name, _, ends = part.rpartition("=")
    low, _, high = ends.partition(":")
    try:
        if not name or not float(low) < float(high):
            raise ValueError
        return name, (float(low), float(high))
    except ValueError:
        cure = "write rating=1:5"
        raise LuthierError(f"{part!r} is not METRIC=LOW:HIGH", where="--bounds", cure=cure) from None


def _print(found: Analysis, settings: object) -> None:
    from luthier.cli.ab.facts import comparison_rows, rate_rows, ratio_rows

    print_table(("variant", "units", "planned"), ratio_rows(found))
    ratio = found.ratio
    anytime = "–" if ratio.anytime_p_value is None else f"{ratio.anytime_p_value:.3g}"
    click.echo(f"sample ratio: p = {ratio.p_value:.3g}, at every look {anytime}\n")
    if ratio.is_mismatch:
        click.secho(
            "The variants have not the units that were planned, or the rows do not stand in their order: nothing below "
            "can be trusted.\n  → look for lost or doubled units; sort with --order-by; check --shares\n",
            fg="red",
        )
    click.echo("at every look (may be read at any time):")
    header = ("metric", "variant", "control", "treatment", "difference", "interval", "uplift", "p", "verdict")
    print_table(header, comparison_rows(found, is_sequential=True))
    click.echo("\nat one look (holds only after the planned number of units):")
    print_table((*header[:-1], "test"), comparison_rows(found, is_sequential=False))
    if found.rates:
        click.echo("\nrates of variants (intervals hold at every look):")
        print_table(("metric", "variant", "rate", "interval"), rate_rows(found))
    for name, test in found.chi_square.items():
        click.echo(f"\nall variants on {name}: chi-square {test.statistic:.3f}, p = {test.p_value:.3g}")
    for one in found.compared:
        if one.non_inferiority is not None:
            click.echo(
                f"\n{one.treatment} is not worse on {one.metric} by the margin: "
                f"p = {one.non_inferiority:.3g} at one look"
            )
        if one.sequential.difference is None:
            click.secho(
                f"\n{one.metric} of {one.treatment}: no constant difference fits all looks; it changed",
                fg="yellow",
            )
