"""The commands of `luthier data`: names and one-line helps."""

from __future__ import annotations

import click

from luthier.cli.lazy import LazyGroup

DATA_COMMANDS = {
    "inspect": ("luthier.cli.data.inspect:inspect", "Show rows as they would be trained."),
    "lint": ("luthier.cli.data.lint:lint_template", "Look for faults of a chat template and tokenizer."),
}


@click.group(cls=LazyGroup, commands_at=DATA_COMMANDS)
def data() -> None:
    """Look at rows, clean, compare, rate, multiply and version them."""
