"""Units of a text that are explained: words, and single characters where Chinese has no spaces between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_UNIT = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\s\u3400-\u9fff\uf900-\ufaff]+")


@dataclass(frozen=True)
class Units:
    """A text in units.

    Args:
        text: The whole text.
        spans: Where each unit begins and ends, in characters.
    """

    text: str
    spans: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def words(self) -> list[str]:
        """The units themselves."""
        return [self.text[start:end] for start, end in self.spans]

    def keep(self, kept: Sequence[bool] | NDArray[np.bool_]) -> str:
        """Return the text without the units that are not kept; what stands between units stays."""
        parts, before = [], 0
        for (start, end), is_kept in zip(self.spans, kept, strict=True):
            parts.append(self.text[before:start])
            if is_kept:
                parts.append(self.text[start:end])
            before = end
        return "".join([*parts, self.text[before:]]).strip()


def units_of(text: str) -> Units:
    """Divide a text."""
    return Units(text, tuple(found.span() for found in _UNIT.finditer(text)))
