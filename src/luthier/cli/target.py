"""How commands name a model: a run folder, a model folder, a registered version, or a base."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from luthier.core.errors import ModelError
from luthier.core.files import read_json

adapter_option = click.option(
    "--adapter",
    "adapters",
    metavar="NAME=PATH",
    multiple=True,
    help="An adapter of the same base, beside the first model and by this name; may be given again.",
)
"""The option of commands that hold several adapters of one base in memory."""


def adapters_of(written: Sequence[str]) -> dict[str, Path]:
    """Return the folders of adapters written as ``NAME=PATH``, by name.

    Raises:
        LuthierError: See `model_of`.
    """
    found: dict[str, Path] = {}
    for text in written:
        name, sign, path = text.partition("=")
        if not (name and sign and path):
            raise click.UsageError(f"--adapter {text}: NAME=PATH is expected")
        if name in found:
            raise click.UsageError(f"--adapter {name} is given twice")
        found[name] = model_of(path)[0]
    return found


def model_of(target: str) -> tuple[Path, str]:
    """Return the folder of a model and the name to call it by.

    Args:
        target: ``runs/<id>``, a folder in Hugging Face or PEFT layout, ``models:/NAME@ALIAS``, ``models:/NAME/3``,
            or what ``model.base`` takes.

    Raises:
        LuthierError: There is no such model, or the run has not made one yet.
    """
    from luthier.models.load import locate_base
    from luthier.registry.address import SCHEME
    from luthier.registry.mlflow_registry import Registry

    if target.startswith(SCHEME):
        return Registry().model_folder(target), target.removeprefix(SCHEME)
    path = Path(target)
    if (path / "plan.json").is_file():
        if not (path / "model" / "artifact.json").is_file():
            raise ModelError(
                "this run has no model yet", where=target, cure=f"finish it: luthier run --resume {target}"
            )
        return path / "model", str(read_json(path / "plan.json")["values"]["name"]["value"])
    if (path / "adapter_config.json").is_file():
        return path, path.resolve().name
    return locate_base(target), path.resolve().name
