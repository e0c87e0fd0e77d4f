"""Prompts that come with Luthier, copied by `luthier prompt init` to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped_prompts() -> dict[str, Path]:
    """Return all shipped prompts by name."""
    folder = Path(str(resources.files("luthier.prompts.shipped")))
    found = [path for path in sorted(folder.iterdir()) if path.suffix in (".yaml", ".md")]
    return {path.stem: path for path in found}
