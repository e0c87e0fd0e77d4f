"""Known answers from outside, read from the folder beside the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).resolve().parents[4] / "shared" / "vectors"


def records(file: str, function: str | None = None) -> list[dict[str, Any]]:
    """Return the cases of a file, all or those of one function."""
    path = _FOLDER / file
    if not path.exists():
        pytest.skip(f"the known answers {file} are not beside the project", allow_module_level=True)
    found = json.loads(path.read_text(encoding="utf-8"))["records"]
    return [record for record in found if function in (None, record["function"])]
