"""What commands print: tables for people, as wide as they need to be where no terminal cuts them; JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from luthier.core.files import strict_json

_WIDE = 240

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
"""The option of every command whose result programs read; its value is called ``as_json``."""


def print_json(value: Any) -> None:
    """Print a result on one line, as JSON that every reader takes."""
    click.echo(json.dumps(strict_json(value), ensure_ascii=False, default=str))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below a header."""
    table = Table(*header, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    _console().print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in facts:
        table.add_row(name, value)
    _console().print(table)


def _console() -> Console:
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _WIDE)
