"""Warnings of PEFT that tell nothing of the model at hand, kept from the user."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_GROUNDLESS = (
    # AdaLoRA's ranks are named by weights; PEFT looks for them among modules, and applies them all the same.
    "The following rank_pattern keys did not match",
    # Ranks that AdaLoRA took away whole leave matrices without a row, which is no broken shard.
    r"Adapter '.*': \d+ LoRA tensor\(s\) have invalid shape",
)


@contextmanager
def without_groundless_warnings() -> Iterator[None]:
    """Keep those warnings quiet while an adapter of AdaLoRA is saved or loaded."""
    with warnings.catch_warnings():
        for message in _GROUNDLESS:
            warnings.filterwarnings("ignore", message=message)
        yield
