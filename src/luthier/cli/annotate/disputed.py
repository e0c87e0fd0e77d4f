"""`luthier data annotate disputed`: the rows that raters disagree on most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from luthier.cli.annotate.options import load_ratings, ratings_options, shortened
from luthier.cli.data.options import busy
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.wording import count_of


@click.command()
@ratings_options
@click.option(
    "--limit", type=click.IntRange(min=1), help="Rows at most.  [default: 20 on the screen, else all]"
)
@click.option(
    "--min-entropy",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="In bits; more than this.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the queue here, with a field to fill in."
)
@json_option
def disputed(
    path: Path, limit: int | None, min_entropy: float, output: Path | None, as_json: bool, **options: Any
) -> None:
    """List the rows of PATH whose raters disagree, highest entropy first; rows with gold or a correction are settled.

    PATH is an annotation project, or a file of ratings. What is filled in into the written file goes back with
    `luthier data annotate correct --from`.
    """
    from luthier.data.annotation.audit import CHECKED_FIELD
    from luthier.data.annotation.disputed import disputes
    from luthier.data.sinks import writing

    with busy("looking", is_silent=as_json):
        ratings = load_ratings(path, **options)
        queue = disputes(ratings.items, ratings.labels, min_entropy=min_entropy)
    rows: list[dict[str, Any]] = [
        {"id": d.item.id, "entropy": round(d.entropy, 6), "votes": d.votes, "data": dict(d.item.data)}
        for d in queue[:limit]
    ]
    if output:
        with writing(output) as write:
            for row in rows:
                votes = ", ".join(f"{label} {count}" for label, count in row["votes"].items())
                label = next(iter(row["votes"]))
                place = {"id": row["id"], "entropy": row["entropy"], "votes": votes}
                write({**row["data"], **place, "label": label, CHECKED_FIELD: ""})
    if as_json:
        print_json({"disputed": len(queue), "rows": rows})
        return
    click.echo(f"{len(queue):,} of {count_of(len(ratings.items), 'row')} are disputed")
    shown = rows[: limit or 20]
    table = [
        (
            row["id"],
            f"{row['entropy']:.3f}",
            ", ".join(f"{label} {count}" for label, count in row["votes"].items()),
            shortened(next((v for v in reversed(row["data"].values()) if isinstance(v, str)), "")),
        )
        for row in shown
    ]
    print_table(("row", "entropy", "votes", ""), table)
    if output:
        click.echo(f"wrote {output}: {count_of(len(rows), 'row')}")
