"""Lineage for free: every `luthier data` command that writes a file notes beside it what it was made from, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from luthier.cli.lazy import LazyGroup
from luthier.core.version_address import is_address

_NO_STEPS = ("output", "as_json", "processes", "num_processes")


class NotingGroup(LazyGroup):
    """A group whose commands with ``-o`` note the origin of what they wrote; see `note_origin`."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command that notes the origin of its output."""
        command = super().get_command(ctx, cmd_name)
        return noting(command) if command else None


def noting(command: click.Command) -> click.Command:
    """Return a command that does the same, and then notes beside its output where that came from."""
    run = command.callback
    if run is None or not any(parameter.name == "output" for parameter in command.params):
        return command

    @wraps(run)
    def run_and_note(*arguments: Any, **options: Any) -> Any:
        result = run(*arguments, **options)
        _note(click.get_current_context())
        return result

    noted = copy(command)
    noted.callback = run_and_note
    return noted


def _note(context: click.Context) -> None:
    output = context.params["output"]
    if not isinstance(output, Path) or not output.is_file():
        return
    from luthier.data.versions.origin import note_origin

    options = {
        name: value
        for name, value in context.params.items()
        if name not in _NO_STEPS and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    arguments = {
        p.name: options.pop(p.name, None) for p in context.command.params if isinstance(p, click.Argument)
    }
    note_origin(output, inputs=list(_files(arguments)), steps=[{"operator": context.command.name, **options}])


def _files(arguments: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the files and addresses among a command's arguments."""
    for value in arguments.values():
        for path in value if isinstance(value, tuple) else (value,):
            if isinstance(path, Path) and (path.is_file() or is_address(path)):
                yield path
