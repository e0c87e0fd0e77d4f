"""Every command of `luthier data` speaks JSON, and shows that it is at work where that takes time."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click
import pytest

from luthier.cli.main import cli

AT_ONCE = {
    "lint", "prepare", "log", "list", "show", "lineage", "tag", "untag", "rollback", "forget", "rights", "grant",
    "revoke", "new-key", "status", "versions log", "annotate log",
}  # fmt: skip
"""Commands that look something up, and `prepare`, which draws the bars of a run."""


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


_DATA = cli.get_command(click.Context(cli), "data")
assert isinstance(_DATA, click.Group)
COMMANDS = dict(_commands(_DATA, ()))


def test_there_are_as_many_as_ever() -> None:
    assert len(COMMANDS) >= 40


@pytest.mark.parametrize("name", COMMANDS)
def test_it_has_json_and_help(name: str) -> None:
    command = COMMANDS[name]
    assert any("--json" in parameter.opts for parameter in command.params)
    assert command.help and command.help.strip().endswith(".")
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert all(option.help or option.default is not None for option in options)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.split()[-1] not in AT_ONCE])
def test_it_shows_that_it_is_at_work(name: str) -> None:
    callback = inspect.unwrap(COMMANDS[name].callback)  # type: ignore[arg-type]
    source = inspect.getsource(sys.modules[callback.__module__])
    assert "row_bar(" in source or "busy(" in source
