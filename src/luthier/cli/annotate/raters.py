"""`luthier data annotate raters`: each rater's errors on gold rows, over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.annotate.options import confidence_option, load_ratings, ratings_options, share
from luthier.cli.data.options import busy
from luthier.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from luthier.data.annotation.raters import ErrorRate, RaterRecord


@click.command()
@ratings_options
@click.option(
    "--per",
    type=click.Choice(["day", "week", "month"]),
    default="week",
    show_default=True,
    help="Length of a period.",
)
@confidence_option
@json_option
def raters(path: Path, per: Any, confidence: float, as_json: bool, **options: Any) -> None:
    """Show how often each rater of PATH is wrong on rows whose label is known (gold), over time.

    PATH is an annotation project, or a file of ratings.
    """
    from luthier.data.annotation.raters import rater_records

    # `--rater` names columns of a table; its value has the name of this command's subject.
    with busy("counting", is_silent=as_json):
        records = rater_records(load_ratings(path, **options).items, per=per, confidence=confidence)
    if as_json:
        print_json([_facts(record) for record in records])
        return
    header = (
        "rater",
        "ratings",
        "skipped",
        "seconds",
        "on gold",
        "wrong",
        f"{confidence:.0%} interval",
        "mistakes",
    )
    print_table(header, [_row(record) for record in records])
    periods = [(record.rater, day, rate) for record in records for day, rate in record.periods]
    if periods:
        click.echo()
        by_period = ("rater", f"{per} from", "on gold", "wrong", f"{confidence:.0%} interval")
        print_table(by_period, [(rater, day.isoformat(), *_cells(rate)) for rater, day, rate in periods])


def _facts(record: RaterRecord) -> dict[str, Any]:
    return {
        **vars(record),
        "gold": _rate(record.gold),
        "periods": [{"from": day.isoformat(), **_rate(rate)} for day, rate in record.periods],
        "mistakes": [
            {"gold": gold, "label": label, "count": count} for gold, label, count in record.mistakes
        ],
    }


def _rate(rate: ErrorRate) -> dict[str, Any]:
    return {**vars(rate), "rate": rate.rate}


def _row(record: RaterRecord) -> tuple[str, ...]:
    seconds = "–" if record.median_seconds is None else f"{record.median_seconds:.1f}"
    mistakes = ", ".join(f"{gold} → {label} {count}" for gold, label, count in record.mistakes[:2])
    return (
        record.rater,
        f"{record.num_ratings:,}",
        f"{record.num_skipped:,}",
        seconds,
        *_cells(record.gold),
        mistakes,
    )


def _cells(rate: ErrorRate) -> tuple[str, str, str]:
    interval = f"{rate.low:.1%} to {rate.high:.1%}" if rate.total else "–"
    return f"{rate.total:,}", share(rate.rate), interval
