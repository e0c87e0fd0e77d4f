"""`luthier data annotate log`: the log of corrections, shown, verified, exported."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from luthier.cli.annotate.options import path_argument
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import DataError


@click.command("log")
@path_argument
@click.option("--row", help="Trace this row only.")
@click.option("--by", help="Corrections of this person only.")
@click.option("--head", help="Hash of an entry that was the newest once: it must still be there.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Export the entries here.")
@json_option
def log(
    path: Path, row: str | None, by: str | None, head: str | None, output: Path | None, as_json: bool
) -> None:
    """Show the corrections of PATH, a project or a log file, after checking that none was changed or removed."""
    from luthier.data.annotation.corrections import CorrectionLog
    from luthier.data.annotation.project import Project
    from luthier.data.sinks import writing

    if not path.exists():
        raise DataError("there is no such file or project", where=str(path))
    kept = Project(path).corrections if path.is_dir() else CorrectionLog(path)
    total = kept.verify(head)
    found = [entry for entry in kept.entries() if row in (None, entry.row) and by in (None, entry.by)]
    if output:
        with writing(output) as write:
            for entry in found:
                write(asdict(entry))
    if as_json:
        print_json({"entries": [asdict(entry) for entry in found], "total": total, "head": kept.head})
        return
    header = ("number", "at", "row", "before", "after", "by", "reason")
    table = [
        (str(e.number), e.at[:19].replace("T", " "), e.row, e.before or "–", e.after, e.by, e.reason)
        for e in found
    ]
    print_table(header, table)
    click.echo(f"{total:,} entries, the chain is whole; newest: {kept.head}")
