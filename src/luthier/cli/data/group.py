"""The commands of `luthier data`: names and one-line helps."""

from __future__ import annotations

import click

from luthier.cli.data.origin_notes import NotingGroup

DATA_COMMANDS = {
    "inspect": ("luthier.cli.data.inspect:inspect", "Show rows as they would be trained."),
    "lint": ("luthier.cli.data.lint:lint_template", "Look for faults of a chat template and tokenizer."),
    "prepare": ("luthier.cli.data.prepare:prepare", "Make the rows of a recipe; train nothing."),
    "clean": ("luthier.cli.data.clean:clean", "Repair texts and make them uniform; leave out bad rows."),
    "pii": ("luthier.cli.data.pii:pii", "Find personal data and secrets; mask, replace or drop them."),
    "decontaminate": (
        "luthier.cli.data.decontaminate:decontaminate",
        "Leave out rows that share a passage with evaluation rows.",
    ),
    "dedup": ("luthier.cli.data.dedup:dedup", "Leave out rows that are equal or alike."),
    "split": ("luthier.cli.data.split:split", "Hold out rows, folds or a domain, free of leakage."),
    "augment": ("luthier.cli.data.augment:augment", "Make new rows from those that are there."),
    "balance": ("luthier.cli.data.balance:balance", "Weight, repeat or leave out rows by class or group."),
    "profile": ("luthier.cli.data.profile:profile", "Report classes, lengths, languages, bias and drift."),
    "vocabulary": (
        "luthier.cli.data.vocabulary:vocabulary",
        "Find terms that a tokenizer shatters; show what tokens for them save.",
    ),
    "versions": (
        "luthier.cli.data.versions:versions",
        "Keep data sets under version: snapshots, differences, lineage, tiers, rights.",
    ),
    "annotate": ("luthier.cli.annotate.group:annotate", "Label rows with several raters; quality control."),
    "agreement": ("luthier.cli.annotate.agreement:agreement", "Measure how far raters agree."),
    "label-errors": (
        "luthier.cli.data.label_errors:label_errors",
        "Find rows whose label is probably wrong.",
    ),
}


@click.group(cls=NotingGroup, commands_at=DATA_COMMANDS)
def data() -> None:
    """Look at rows, clean, compare, rate, multiply and version them."""
