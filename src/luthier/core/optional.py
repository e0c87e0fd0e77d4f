"""Optional dependencies: imported where they are needed, with an error that names the extra."""

from __future__ import annotations

import importlib
from types import ModuleType

from luthier.core.errors import MissingDependencyError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import ``module`` or say which extra installs it.

    Raises:
        MissingDependencyError: The module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise MissingDependencyError(
            f"{purpose} needs the package {module.split('.')[0]}, which is not installed",
            cure=f"pip install 'luthier[{extra}]'",
        ) from error
