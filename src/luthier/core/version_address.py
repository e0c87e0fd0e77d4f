"""Addresses of versions of data sets, told from paths of files."""

from __future__ import annotations

from pathlib import Path

SCHEME = "dataset:"
"""Begins an address, ``dataset://NAME@REF``, which can stand where a file of rows can."""


def is_address(path: Path) -> bool:
    """Whether a path is no file's but an address: as written, or joined to the folder that paths start from."""
    return SCHEME in path.parts
