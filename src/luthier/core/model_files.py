"""The files of a model's folder that its answers follow from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model", "*/config.json")
"""Configuration, weights and tokenizer; below it, how a sentence encoder pools."""


def files_of_model(folder: Path) -> Sequence[str]:
    """Return the absolute paths of a model's files, sorted; none where there is no such folder.

    A catalogue's name has no folder of its own: its weights are known by their hash.
    """
    return sorted(str(file.resolve()) for each in _PATTERNS for file in folder.glob(each) if file.is_file())
