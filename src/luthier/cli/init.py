"""`luthier init`: copy a shipped recipe to start from."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from luthier.cli.output import json_option, print_json
from luthier.core.errors import LuthierError
from luthier.recipe.shipped import headline, shipped_recipes


@click.command()
@click.argument("name", required=False)
@click.argument("target", required=False, type=click.Path(path_type=Path))
@json_option
def init(name: str | None, target: Path | None, as_json: bool) -> None:
    """Copy the shipped recipe NAME to TARGET (default: NAME.yaml here); without a name, list them.

    Data that a recipe ships is copied beside it.
    """
    recipes = shipped_recipes()
    if name is None:
        headlines = {each: headline(path) for each, path in recipes.items()}
        if as_json:
            print_json(headlines)
        else:
            click.echo("\n".join(f"{n:<18}{h}" for n, h in headlines.items()))
        return
    if name not in recipes:
        raise LuthierError(f"no shipped recipe named {name}", cure=f"known: {', '.join(recipes)}")
    target = target or Path(f"{name}.yaml")
    data = recipes[name].with_suffix("")
    copies = [(recipes[name], target)]
    if data.is_dir():
        copies += [(file, target.parent / name / file.name) for file in sorted(data.glob("*.jsonl"))]
    for _, copy in copies:
        if copy.exists():
            raise LuthierError(
                "exists already, and is not overwritten", where=str(copy), cure="name another target"
            )
    for source, copy in copies:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    written = [str(copy) for _, copy in copies]
    if as_json:
        print_json(written)
    else:
        click.echo(f"wrote {', '.join(written)}\nnext: luthier plan {target}")
