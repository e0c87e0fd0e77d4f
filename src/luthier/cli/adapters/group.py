"""The commands of `luthier adapters`: names and one-line helps."""

from __future__ import annotations

import click

from luthier.cli.lazy import LazyGroup

ADAPTER_COMMANDS = {
    "combine": ("luthier.cli.adapters.combine:combine", "Make one adapter out of several of one base."),
}


@click.group(cls=LazyGroup, commands_at=ADAPTER_COMMANDS)
def adapters() -> None:
    """Work with several adapters of one base."""
