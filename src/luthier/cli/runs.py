"""`luthier runs`: list, show and compare run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import LuthierError
from luthier.core.files import read_json
from luthier.core.run_folder import RunFolder


@click.group()
def runs() -> None:
    """List, show and compare runs."""


@runs.command("list")
@click.option("--runs-dir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@json_option
def list_runs(runs_dir: Path, as_json: bool) -> None:
    """List runs, newest first, with how far each came."""
    found = sorted(runs_dir.glob("*/plan.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    summaries = [_summary(path.parent) for path in found]
    if as_json:
        print_json(summaries)
        return
    if not summaries:
        click.echo(f"no runs in {runs_dir}" + ("" if runs_dir.is_dir() else ", which does not exist"))
        return
    header = ("run", "state", "steps", "held-out loss", "gates")
    print_table(header, [_row(summary) for summary in summaries])


@runs.command("show")
@click.argument("run", type=click.Path(path_type=Path))
@json_option
def show(run: Path, as_json: bool) -> None:
    """Show what RUN holds and what was proved."""
    from luthier.cli.run import show_run

    _check(run)
    show_run(RunFolder(run), as_json=as_json)


@runs.command("compare")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@json_option
def compare(first: Path, second: Path, as_json: bool) -> None:
    """Compare two runs: the recipe values that differ, and their figures."""
    for run in (first, second):
        _check(run)
    values = [
        {k: v["value"] for k, v in read_json(run / "plan.json")["values"].items()} for run in (first, second)
    ]
    rows: list[tuple[str, Any, Any]] = [
        (key, values[0].get(key), values[1].get(key))
        for key in dict.fromkeys([*values[0], *values[1]])
        if values[0].get(key) != values[1].get(key)
    ]
    figures = [_figures(_summary(run)) for run in (first, second)]
    figures = [_of_task(figures[0], *values), _of_task(figures[1], *reversed(values))]
    rows += [(name, figures[0].get(name), figures[1].get(name)) for name in {**figures[0], **figures[1]}]
    if as_json:
        print_json([{"key": k, "first": a, "second": b} for k, a, b in rows])
        return
    print_table(("", str(first), str(second)), [(key, _text(a), _text(b)) for key, a, b in rows])


def _check(run: Path) -> None:
    if not (run / "plan.json").is_file():
        raise LuthierError(
            "is not a run folder: it has no plan.json", where=str(run), cure="luthier runs list"
        )


def _summary(run: Path) -> dict[str, Any]:
    from luthier.pipeline.story import summarize

    return summarize(RunFolder(run))


def _row(summary: dict[str, Any]) -> tuple[str, ...]:
    steps = str(summary.get("train", {}).get("steps", ""))
    loss = _loss(summary)
    gates = ("passed" if summary["passed"] else "failed") if summary.get("gates") else ""
    return summary["run"], _state(summary), steps, f"{loss:.4f}" if loss is not None else "", gates


def _state(summary: dict[str, Any]) -> str:
    done = [
        ("registered", "registered"),
        ("evaluated", "metrics"),
        ("trained", "train"),
        ("data ready", "data"),
    ]
    return next((state for state, key in done if key in summary), "begun")


def _loss(summary: dict[str, Any]) -> float | None:
    return _figures(summary).get("eval_loss", summary.get("train", {}).get("eval_loss"))


def _figures(summary: dict[str, Any]) -> dict[str, Any]:
    figures = {metric["metric"]: metric["tuned"]["value"] for metric in summary.get("metrics", [])}
    trained = summary.get("train", {})
    return figures | {
        key: trained[key] for key in ("steps", "seconds", "tokens_per_second") if key in trained
    }


def _of_task(figures: dict[str, Any], values: dict[str, Any], other_values: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a run with one task under their names in a run of several that has this task too."""
    if values.get("objective.name") == "multitask" or other_values.get("objective.name") != "multitask":
        return figures
    objectives = {
        other_values[f"objective.tasks[{place}].name"]: other_values[
            f"objective.tasks[{place}].objective.name"
        ]
        for place in range(
            sum(key.startswith("objective.tasks[") and key.endswith("].name") for key in other_values)
        )
    }
    same = [task for task, name in objectives.items() if name == values.get("objective.name")]
    if len(same) != 1:
        return figures
    told = ("steps", "seconds", "tokens_per_second")
    return {name if name in told else f"{same[0]}.{name}": value for name, value in figures.items()}


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
