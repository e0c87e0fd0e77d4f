"""How the fast path meets torch.autocast: it asks once which type is wanted, then computes in exactly that."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def wanted_dtype(otherwise: torch.dtype) -> torch.dtype:
    """Return the type that autocast asks for where it is on, else ``otherwise``."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else otherwise


def without_autocast(function: Callable[..., T]) -> Callable[..., T]:
    """Run an autograd function's forward or backward with autocast off: its types are chosen already."""

    @functools.wraps(function)
    def run(*args: Any) -> T:
        if not torch.is_autocast_enabled("cpu"):
            return function(*args)
        with torch.autocast("cpu", enabled=False):
            return function(*args)

    return run
