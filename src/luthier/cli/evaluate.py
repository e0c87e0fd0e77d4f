"""`luthier evaluate`: what a model is worth, whoever made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.output import json_option, print_facts, print_json
from luthier.cli.progress import make_progress
from luthier.cli.run import facts_of_report
from luthier.cli.target import model_of
from luthier.core.errors import GateFailedError

if TYPE_CHECKING:
    from luthier.evaluate.report import Report


@click.command()
@click.argument("target", metavar="MODEL")
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="YAML with data.eval.sources, evaluate, gates and objective.  [default: a run's own recipe]",
)
@click.option(
    "--data",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Held-out rows; may be given several times, and replace those of the recipe.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="The files' own name of a field, e.g. label=category.",
)
@click.option("--against", metavar="MODEL", help="Compare with this model instead of the base or a baseline.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override a recipe value, e.g. evaluate.metrics=[perplexity]; may be given several times.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of report.html and report.json.  [default: evaluation-NAME here]",
)
@json_option
def evaluate(
    target: str,
    recipe: Path | None,
    files: tuple[Path, ...],
    columns: tuple[str, ...],
    against: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Evaluate MODEL: a run folder, a model or adapter folder, a catalogue name, or models:/NAME@ALIAS.

    A run is judged by its own recipe unless --recipe or --data say otherwise; any other model needs rows. The exit
    code is 3 where a gate fails.
    """
    folder, name = model_of(target)
    other = model_of(against) if against else None
    sources = _sources(files, columns, recipe)
    from luthier.evaluate.report import Report
    from luthier.pipeline.evaluate_model import Request, evaluate_model

    is_run = (Path(target) / "plan.json").is_file()
    request = Request(
        folder=folder,
        name=name,
        out=out or Path(f"evaluation-{name.replace('/', '-').replace('@', '-')}"),
        run=Path(target) if is_run else None,
        recipe=recipe,
        held_out=sources,
        against=(other[0], other[1]) if other else None,
        overrides=overrides,
    )
    progress = make_progress(json_lines=as_json)
    try:
        report = evaluate_model(request, (progress,))
    except GateFailedError:
        progress.close()
        if (written := Report.load(request.out)) is not None:
            _show(written, as_json=as_json)
        raise
    finally:
        progress.close()
    _show(report, as_json=as_json)


def _sources(files: tuple[Path, ...], columns: tuple[str, ...], recipe: Path | None) -> tuple[Any, ...]:
    """Return the files as sources of rows."""
    from luthier.recipe.source_section import Source

    if columns and not files:
        raise click.UsageError("--column has no effect without --data: a recipe has `columns` at its source")
    if recipe is not None and not recipe.is_file():
        raise click.UsageError(f"--recipe: no file at {recipe}")
    pairs = [column.partition("=") for column in columns]
    if wrong := next((c for c, pair in zip(columns, pairs, strict=True) if not all(pair)), None):
        raise click.UsageError(f"--column {wrong} is not of the form FIELD=COLUMN")
    own_names = {field: name for field, _, name in pairs}
    return tuple(Source(path=str(file.resolve()), columns=own_names) for file in files)


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "report": str(report.folder / "report.html"),
                "passed": report.passed,
                "metrics": report.metrics,
                "figures": report.figures,
                "findings": report.findings,
                "gates": report.gates,
            }
        )
        return
    facts = facts_of_report(vars(report))
    print_facts([*facts, ("report", str(report.folder / "report.html"))])
