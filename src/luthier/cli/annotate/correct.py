"""`luthier data annotate correct`: right labels in the place of wrong ones, each in the log."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli.annotate.options import path_argument
from luthier.cli.data.options import busy
from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import DataError
from luthier.core.wording import count_of


@click.command()
@path_argument
@click.option("--row", help="Row id, or number in a file, from 1.")
@click.option("--to", "label", help="Its right label.")
@click.option(
    "--from",
    "checked",
    type=click.Path(path_type=Path),
    help="List of rows with the field correct_label filled in (of label-errors, disputed or audit).",
)
@click.option("--by", required=True, help="Who says so.")
@click.option("--reason", required=True, help="Why; for those who ask later.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Corrected file, where PATH is a file.")
@click.option(
    "--log", type=click.Path(path_type=Path), help="Log of corrections, where PATH is a file (.jsonl)."
)
@click.option("--label-field", help="Field of the label, where PATH is a file.  [default: label]")
@click.option("--label", "labels", multiple=True, help="Labels that are known, where PATH is a file.")
@json_option
def correct(
    path: Path,
    row: str | None,
    label: str | None,
    checked: Path | None,
    by: str,
    reason: str,
    output: Path | None,
    log: Path | None,
    label_field: str | None,
    labels: tuple[str, ...],
    as_json: bool,
) -> None:
    """Correct labels of PATH, an annotation project or a file: one with --row and --to, or many with --from.

    Each correction goes to a log that is only added to and shows every later change (`luthier data annotate log`). In
    a project a correction goes before gold and ratings.
    """
    from luthier.data.annotation.correct import correct_file, correct_project, right_labels
    from luthier.data.annotation.corrections import CorrectionLog
    from luthier.data.annotation.project import Project

    if (checked is None) == (row is None) or (row is None) != (label is None):
        raise DataError("either --row and --to, or --from was expected")
    right = right_labels(checked) if checked else {str(row): str(label)}
    if path.is_dir():
        if output or log or label_field or labels:
            problem = "-o, --log, --label-field and --label have no effect on a project"
            raise DataError(problem, where=str(path), cure="leave them out")
        project = Project(path)
        added = correct_project(project, right, by=by, reason=reason)
        kept = project.corrections
    else:
        if not output or not log:
            raise DataError(
                "a corrected file and a log are needed", where=str(path), cure="name -o and --log"
            )
        kept = CorrectionLog(log)
        field = label_field or "label"
        with busy("correcting", is_silent=as_json):
            added = correct_file(
                path, output, right, kept, label_field=field, by=by, reason=reason, labels=labels
            )
    head = kept.head
    if as_json:
        print_json({"corrected": [vars(entry) for entry in added], "head": head})
        return
    print_table(("row", "before", "after"), [(e.row, e.before or "–", e.after) for e in added[:20]])
    click.echo(f"{count_of(len(added), 'correction')} logged, {len(right) - len(added):,} known already")
    click.echo(f"hash of the newest entry: {head} (keep it elsewhere: `log --head` finds cuts with it)")
