"""How commands name a model: a run folder, a model folder, a registered version, or a base."""

from __future__ import annotations

from pathlib import Path

from luthier.core.errors import ModelError
from luthier.core.files import read_json


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
