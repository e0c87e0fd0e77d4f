"""`luthier data annotate status`: what a project holds."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli.annotate.options import project_argument
from luthier.cli.output import json_option, print_facts, print_json


@click.command()
@project_argument
@json_option
def status(project: Path, as_json: bool) -> None:
    """Count rows, ratings, raters, gold, pre-labels, corrections and decisions of PROJECT."""
    from luthier.data.annotation.adjudicate import adjudicate, how_decided
    from luthier.data.annotation.project import Project

    opened = Project(project)
    items, settings = list(opened.items()), opened.settings
    facts = {
        "rows": len(items),
        "rows with ratings": sum(bool(item.ratings or item.counts) for item in items),
        "ratings": sum(len(item.ratings) + sum(item.counts.values()) for item in items),
        "raters": len({rating.rater for item in items for rating in item.ratings}),
        "ratings under older guidelines": opened.num_outdated,
        "gold rows": len(opened.gold),
        "rows with pre-labels": sum(bool(item.prelabels) for item in items),
        "corrections": opened.corrections.verify(),
    }
    decided = how_decided(adjudicate(items, settings.labels, settings.adjudication))
    if as_json:
        print_json({name.replace(" ", "_"): number for name, number in facts.items()} | {"decided": decided})
        return
    print_facts((name, f"{number:,}") for name, number in facts.items())
    click.echo()
    print_facts((f"decided by {how}" if ":" not in how else how, f"{n:,}") for how, n in decided.items())
