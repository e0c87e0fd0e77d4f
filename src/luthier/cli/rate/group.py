"""The commands of `luthier rate`: names and one-line helps."""

from __future__ import annotations

import click

from luthier.cli.lazy import LazyGroup

RATE_COMMANDS = {
    "make": ("luthier.cli.rate.make:make", "Write an offline page of blind pairs, and the key to them."),
    "import": (
        "luthier.cli.rate.import_ratings:import_ratings",
        "Win rate and agreement of people's ratings.",
    ),
    "judge": ("luthier.cli.rate.judge:judge", "Let a model judge each pair twice, with places swapped."),
}


@click.group(cls=LazyGroup, commands_at=RATE_COMMANDS)
def rate() -> None:
    """Let people or a model judge which of two models answers better, without knowing which is which."""
