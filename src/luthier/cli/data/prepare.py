"""`luthier data prepare`: the rows of a recipe, without training anything."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.output import json_option, print_facts, print_json, print_table
from luthier.cli.progress import make_progress
from luthier.core.wording import count_of

if TYPE_CHECKING:
    from luthier.data.curate.stage import CuratedRows

_SHOWN_CLASSES = 10


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override a recipe value; may be given several times.",
)
@click.option("--fresh", is_flag=True, help="Delete what an earlier start left, and start over.")
@json_option
def prepare(recipe: Path, overrides: tuple[str, ...], fresh: bool, as_json: bool) -> None:
    """Clean, judge, split, multiply and balance the rows that RECIPE names; train nothing.

    RECIPE is a YAML file with `name` and `data`; a recipe that trains will do as well. Rows that are there
    already are not made again.
    """
    from luthier.pipeline.rows import prepare_rows
    from luthier.recipe.load import load_data

    loaded = load_data(recipe, overrides)
    progress = make_progress(json_lines=as_json)
    try:
        folder, rows = prepare_rows(loaded, fresh=fresh, listeners=(progress,))
    finally:
        progress.close()
    if as_json:
        print_json({"run": str(folder.path), **asdict(rows)})
        return
    _show(rows)


def _show(rows: CuratedRows) -> None:
    facts = [
        ("rows", f"{rows.num_read:,} read, {rows.num_train:,} to train, {rows.num_eval:,} held out"),
        *(("left out", f"{number:,} {reason}") for reason, number in _most_first(rows.left_out)),
        *(
            ("changed", f"{count_of(number, 'text')} by {operator}")
            for operator, number in _most_first(rows.changes)
            if not operator.startswith("augment")  # these are new rows, and told as such
        ),
        *_told(rows.told),
        ("folder", str(rows.folder)),
    ]
    if rows.version:
        facts.append(
            ("version", f"{rows.version}: luthier data versions log {rows.version.partition('@')[0]}")
        )
    print_facts(facts)
    if balance := rows.told.get("balance"):
        classes = balance["classes"]
        print_table(
            ("class", "rows before", "after", "weight"),
            [
                (c["name"], f"{c['rows']:,}", f"{c['rows_after']:,}", f"{c['weight']:.3g}")
                for c in classes[:_SHOWN_CLASSES]
            ],
        )
        if len(classes) > _SHOWN_CLASSES:
            click.echo(f"… and {len(classes) - _SHOWN_CLASSES} classes more, in steps.json")


def _told(told: dict[str, Any] | Any) -> list[tuple[str, str]]:
    facts = []
    for finding in told.get("pii", {}).get("findings", []):
        text = f"{finding['count']:,} {finding['kind']} ({finding['certainty']}), {finding['action']}"
        facts.append(("personal data", text))
    if errors := told.get("label_errors"):
        suspects = count_of(errors["suspects"], "suspect")
        text = f"{suspects} among {count_of(errors['judged'], 'row')}, in label_errors.jsonl"
        facts.append(("label errors", text))
    for kind, number in told.get("augmented", {}).get("made", {}).items():
        facts.append(("augmented", f"{count_of(number, 'row')} by {kind}"))
    return facts


def _most_first(counts: Any) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: -entry[1])
