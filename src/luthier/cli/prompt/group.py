"""The commands of `luthier prompt`: names and one-line helps."""

from __future__ import annotations

import click

from luthier.cli.lazy import LazyGroup

PROMPT_COMMANDS = {
    "init": ("luthier.cli.prompt.init:init", "Copy a shipped prompt to start from."),
    "render": ("luthier.cli.prompt.render:render", "Show what a model is asked about a row."),
    "compare": (
        "luthier.cli.prompt.compare:compare",
        "Measure prompts on an evaluation set; say which is better.",
    ),
}


@click.group(cls=LazyGroup, commands_at=PROMPT_COMMANDS)
def prompt() -> None:
    """Write prompts with variables and examples, and compare them."""
