"""`luthier rate import`: what people's ratings say."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from luthier.cli.output import json_option, print_facts, print_json, print_table
from luthier.cli.rate.options import confidence_option, partial_option, seed_option


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("ratings", nargs=-1, required=True, type=click.Path(path_type=Path))
@partial_option
@confidence_option
@seed_option
@json_option
def import_ratings(
    folder: Path, ratings: tuple[Path, ...], is_partial: bool, confidence: float, seed: int, as_json: bool
) -> None:
    """Un-blind the files RATINGS that raters downloaded from the page in FOLDER, and tell what they say.

    The win rate is the tuned model's; a tie counts half. Its interval knows that verdicts on one item hang together.
    """
    from luthier.cli.rate.told import (
        agreement_facts,
        interval_text,
        measures_of,
        place_text,
        print_measures,
        warn,
    )
    from luthier.data.annotation.agreement import Bootstrap
    from luthier.evaluate.rating.intake import read_ratings
    from luthier.evaluate.rating.people import summarize
    from luthier.evaluate.rating.sheet import read_sheet

    sheet = read_sheet(folder)
    found = summarize(
        read_ratings(ratings, sheet, is_partial=is_partial), Bootstrap(confidence=confidence, seed=seed)
    )
    if as_json:
        print_json(
            {
                "items": len(sheet.items),
                "rated_items": found.num_items,
                "identical": sheet.num_identical,
                "confidence": confidence,
                **asdict(found.all),
                "raters": {name: asdict(tally) for name, tally in found.raters.items()},
                "agreement": agreement_facts(found.agreement),
            }
        )
        return
    tally = found.all
    print_facts(
        [
            ("tuned model wins", interval_text(tally.win_rate)),
            (
                "verdicts",
                f"{tally.num_verdicts:,}: {tally.wins:,} wins, {tally.ties:,} ties, {tally.losses:,} losses",
            ),
            ("items", f"{found.num_items:,} of {len(sheet.items):,} rated"),
            ("first shown wins", place_text(tally.first_share)),
        ]
    )
    click.echo()
    print_table(
        ("rater", "verdicts", "wins", "ties", "losses", "tuned model wins", "first shown wins"),
        [(name, f"{t.num_verdicts:,}", f"{t.wins:,}", f"{t.ties:,}", f"{t.losses:,}", interval_text(t.win_rate),
          interval_text(t.first_share)) for name, t in found.raters.items()],
    )  # fmt: skip
    click.echo()
    if found.agreement is None:
        warn("no item has two verdicts: whether raters agree is not known")
    else:
        print_measures(measures_of(found.agreement))
    if sheet.num_identical:
        click.echo(f"pairs of equal answers, on no page and in no figure: {sheet.num_identical:,}")
