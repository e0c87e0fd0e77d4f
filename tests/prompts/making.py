"""Prompts from YAML text, rows of a few words, and an encoder of letters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luthier.prompts.load import load_prompt
from luthier.prompts.prompt import Prompt
from luthier.prompts.rows import PromptRow


def rows_of(*fields: dict[str, Any], source: str = "eval.jsonl") -> list[PromptRow]:
    """Return rows with these fields."""
    return [PromptRow(source, number, each) for number, each in enumerate(fields, start=1)]


def letters(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return how often each letter stands in a text, at unit length: an encoder whose similarities are plain."""
    counts = np.array([[text.count(letter) for letter in "abcdefghij"] for text in texts], dtype=np.float32)
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def prompt_of(text: str, rows: Sequence[PromptRow], folder: Path, name: str = "p.yaml") -> Prompt:
    """Write a prompt file, read it and check it against rows."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return Prompt(load_prompt(path), path, rows, lambda encoder: letters)
