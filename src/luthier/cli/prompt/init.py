"""`luthier prompt init`: copy a shipped prompt to start from."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from luthier.cli.output import json_option, print_json, print_table
from luthier.core.errors import LuthierError


@click.command()
@click.argument("name", required=False)
@click.argument("target", required=False, type=click.Path(path_type=Path))
@json_option
def init(name: str | None, target: Path | None, as_json: bool) -> None:
    """Copy the shipped prompt NAME to TARGET (default: a file of its name here); without a name, list them."""
    from luthier.prompts.load import load_prompt
    from luthier.prompts.shipped import shipped_prompts

    prompts = shipped_prompts()
    if name is None:
        descriptions = {each: load_prompt(path).description for each, path in prompts.items()}
        if as_json:
            print_json(descriptions)
        else:
            print_table(("prompt", "what it shows"), [(n, d or "") for n, d in descriptions.items()])
        return
    if name not in prompts:
        raise LuthierError(f"no shipped prompt named {name}", cure=f"known: {', '.join(prompts)}")
    target = target or Path(prompts[name].name)
    if target.exists():
        cure = "name another target"
        raise LuthierError("exists already, and is not overwritten", where=str(target), cure=cure)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(prompts[name], target)
    if as_json:
        print_json([str(target)])
    else:
        click.echo(f"wrote {target}\nnext: luthier prompt render {target} --data ROWS --row 1")
