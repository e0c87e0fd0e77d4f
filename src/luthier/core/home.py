"""The cache folder: converted bases and hashes of weights, shared by all runs of a user."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return ``$LUTHIER_HOME``, by default ``~/.cache/luthier``; it is made when something is stored."""
    configured = os.environ.get("LUTHIER_HOME")
    return Path(configured) if configured else Path.home() / ".cache" / "luthier"
