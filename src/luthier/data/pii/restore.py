"""Put originals back in place of their substitutes, by the sealed map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow

from luthier.data.operators.batch import rewrite_texts
from luthier.data.pii.keys import KEY_ENV
from luthier.data.pii.vault import read_map

_HEAD = 2


@dataclass(frozen=True)
class Restore:
    """Puts originals back, in whatever rows the substitutes stand; it can be pickled.

    A substitute that two originals share (names may) stays: which of them it was is not known.

    Args:
        map_path: Written by ``--map``.
        key_env: Environment variable with the key that the map was written with.
    """

    map_path: Path
    key_env: str = KEY_ENV

    def __getstate__(self) -> dict[str, Any]:
        return {option.name: getattr(self, option.name) for option in fields(self)}  # never the open map

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Return the batch with originals in place."""
        return rewrite_texts(batch, "restore", self.restored)

    def restored(self, texts: Sequence[str]) -> list[str]:
        """Return texts with originals in place of substitutes."""
        return [self._restored(text) for text in texts]

    @property
    def num_shared(self) -> int:
        """How many substitutes stand for two originals or more."""
        return len(self._map[1])

    def _restored(self, text: str) -> str:
        originals, lengths = self._map[0], self._lengths
        parts: list[str] = []
        place = done = 0
        while place < len(text) - 1:
            for length in lengths.get(text[place : place + _HEAD], ()):
                if place + length > len(text):
                    continue
                original = originals.get(text[place : place + length])
                if original is not None and _is_whole(text, place, place + length):
                    parts += [text[done:place], original]
                    done = place + length
                    break
            place = max(place + 1, done)
        return "".join([*parts, text[done:]]) if parts else text

    @cached_property
    def _map(self) -> tuple[dict[str, str], frozenset[str]]:
        return read_map(self.map_path, self.key_env)

    @cached_property
    def _lengths(self) -> dict[str, tuple[int, ...]]:
        """The lengths of the substitutes, longest first, by their first characters."""
        found: dict[str, set[int]] = {}
        for substitute in self._map[0]:
            found.setdefault(substitute[:_HEAD], set()).add(len(substitute))
        return {head: tuple(sorted(lengths, reverse=True)) for head, lengths in found.items()}


def _is_whole(text: str, start: int, end: int) -> bool:
    """Tell whether what stands at a place is not a part of a longer number or word."""
    return not (
        (start and _runs_on(text[start - 1], text[start]))
        or (end < len(text) and _runs_on(text[end - 1], text[end]))
    )


def _runs_on(left: str, right: str) -> bool:
    both = left + right
    return both.isascii() and (both.isdigit() or both.isalpha())
