"""The commands of `luthier ab`: names and one-line helps."""

from __future__ import annotations

import click

from luthier.cli.lazy import LazyGroup

AB_COMMANDS = {
    "plan": (
        "luthier.cli.ab.plan:plan",
        "How many units an experiment needs, looked at once or at any time.",
    ),
    "assign": ("luthier.cli.ab.assign:assign", "Assign ids to variants, always the same for the same id."),
    "analyze": ("luthier.cli.ab.analyze:analyze", "Compare variants: valid at one look, and at every look."),
}


@click.group(cls=LazyGroup, commands_at=AB_COMMANDS)
def ab() -> None:
    """Plan A/B tests, assign users, and compare variants with tests that allow peeking."""
