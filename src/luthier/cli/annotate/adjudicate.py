"""`luthier data annotate adjudicate`: one label a row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.annotate.options import load_ratings, ratings_options
from luthier.cli.data.options import busy
from luthier.cli.output import json_option, print_facts, print_json
from luthier.core.wording import count_of

if TYPE_CHECKING:
    from luthier.data.annotation.adjudicate import Adjudication


@click.command()
@ratings_options
@click.option(
    "--by", type=click.Choice(["vote", "dawid-skene"]), help="[default: the project's way, or vote]"
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of the votes, or probability, below which nothing is decided.",
)
@click.option("--confidence-field", help="Write the confidence into this field, too.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the labelled rows here.")
@json_option
def adjudicate(
    path: Path,
    by: Any,
    min_confidence: float,
    confidence_field: str | None,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Decide one label for each row of PATH: a correction first, then gold, then the ratings.

    PATH is an annotation project, or a file of ratings. Rows without a decision stand in OUTPUT.rejected.jsonl, each
    with its reason: unrated, tie or unsure.
    """
    from luthier.core.errors import DataError
    from luthier.data.annotation.adjudicate import adjudicate as decide
    from luthier.data.annotation.adjudicate import how_decided, write_decisions

    if confidence_field and not output:
        raise DataError("--confidence-field has no effect without --output", cure="name a file with -o")
    with busy("deciding", is_silent=as_json):
        ratings = load_ratings(path, **options)
        way: Adjudication = by or ratings.adjudication or "vote"
        decisions = decide(ratings.items, ratings.labels, way, min_confidence=min_confidence)
        if output:
            write_decisions(
                output, ratings.items, decisions, question=ratings.question, confidence_field=confidence_field
            )
    counts = how_decided(decisions)
    num_decided = sum(decision.label is not None for decision in decisions)
    if as_json:
        print_json({"rows": len(decisions), "decided": num_decided, "by": way, "how": counts})
        return
    print_facts((how, f"{number:,}") for how, number in counts.items())
    if output:
        click.echo(f"wrote {output}: {count_of(num_decided, 'row')}")
