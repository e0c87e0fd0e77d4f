"""The commands of `luthier data annotate`: names and one-line helps."""

from __future__ import annotations

import click

from luthier.cli.lazy import LazyGroup

ANNOTATE_COMMANDS = {
    "init": ("luthier.cli.annotate.init:init", "Make a project: guidelines, labels, rows."),
    "import": ("luthier.cli.annotate.import_ratings:import_ratings", "Take ratings, gold and pre-labels in."),
    "export": ("luthier.cli.annotate.export:export", "Write a project for another tool."),
    "status": ("luthier.cli.annotate.status:status", "Count what a project holds."),
    "agreement": ("luthier.cli.annotate.agreement:agreement", "Measure how far raters agree."),
    "raters": ("luthier.cli.annotate.raters:raters", "Show each rater's errors on gold rows, over time."),
    "disputed": ("luthier.cli.annotate.disputed:disputed", "List the rows that raters disagree on most."),
    "adjudicate": (
        "luthier.cli.annotate.adjudicate:adjudicate",
        "Decide one label a row and write the rows.",
    ),
    "prelabel": ("luthier.cli.annotate.prelabel:prelabel", "Let a model propose labels."),
    "audit": ("luthier.cli.annotate.audit:audit", "Draw a random sample to check, or judge a checked one."),
    "correct": ("luthier.cli.annotate.correct:correct", "Correct labels, and log who, when and why."),
    "log": ("luthier.cli.annotate.log:log", "Show, verify and export the log of corrections."),
}


@click.group(cls=LazyGroup, commands_at=ANNOTATE_COMMANDS)
def annotate() -> None:
    """Label rows with several raters, and know how far the labels can be trusted."""
