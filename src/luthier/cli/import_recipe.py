"""`luthier import`: another tool's training YAML as a recipe."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from luthier.cli.output import json_option, print_json
from luthier.core.errors import LuthierError
from luthier.core.files import write_text
from luthier.recipe.foreign.render import recipe_text
from luthier.recipe.foreign.translate import Translation, read_foreign, translate
from luthier.recipe.load import load


@click.command(name="import")
@click.argument("other", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("recipe.yaml"),
    show_default=True,
    help="Where the recipe is written.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@json_option
def import_recipe(other: Path, output: Path, force: bool, as_json: bool) -> None:
    """Turn OTHER, a training YAML of LLaMA-Factory or Axolotl, into a recipe.

    Every key of OTHER is accounted for: translated, off, not needed here, or without a counterpart;
    for the last, the reason or what to do instead is said.
    """
    if output.exists() and (not force or output.is_dir() or output.resolve() == other.resolve()):
        cure = (
            "name another file with -o" if force else "name another file with -o, or replace it with --force"
        )
        raise LuthierError("exists already", where=str(output), cure=cure)
    translation = translate(read_foreign(other), other, output.parent)
    write_text(output, recipe_text(translation, other.name))
    load(output)
    if as_json:
        print_json(_as_json(translation, output))
    else:
        _show(translation, output)


def _as_json(translation: Translation, output: Path) -> dict[str, Any]:
    return {
        "tool": translation.tool,
        "recipe": str(output),
        "keys": [asdict(outcome) for outcome in translation.outcomes],
        "defaults": [asdict(default) for default in translation.defaults],
        "notes": list(translation.notes),
    }


def _show(translation: Translation, output: Path) -> None:
    translated = translation.of("translated")
    _show_group("Translated", [f"{o.key} → {', '.join(o.paths)}" for o in translated if not o.note])
    changed = [f"{o.key} → {', '.join(o.paths)}: {o.note}" for o in translated if o.note]
    _show_group("Translated, with another meaning", changed)
    _show_group(
        f"{translation.tool}'s defaults, written out",
        [f"{d.path}: {json.dumps(d.value)} ({d.why})" for d in translation.defaults],
    )
    _show_group("Not carried over", [f"{o.key}: {o.note}" for o in translation.of("dropped")])
    _show_group("Not needed here", [f"{o.key}: {o.note}" for o in translation.of("unneeded")])
    _show_group("Check", translation.notes)
    click.echo(f"{output} is written and loads without faults; next: luthier plan {output}")


def _show_group(title: str, lines: list[str] | tuple[str, ...]) -> None:
    if lines:
        click.echo(f"{title} ({len(lines)})")
        for line in lines:
            click.echo(f"  {line}")
