"""The meaning-drift gate: a new row that says something else than its source is dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from luthier.core.errors import DataError
from luthier.core.optional import require
from luthier.data.augment.contract import Embed

Pair = tuple[str, str]
"""A text before and after."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a new text is from its source.

    Args:
        similarity: Cosine of the two embeddings; None where none was asked for.
        edit_distance: Insertions, deletions and substitutions of characters, as a share of the longer text.
    """

    similarity: float | None
    edit_distance: float


@dataclass(frozen=True)
class DriftGate:
    """Measures drift and judges it.

    Args:
        min_similarity: Least cosine similarity of the embeddings.
        max_edit_distance: Greatest edit distance, from 0 to 1.
        embed: Texts to unit vectors; needed for ``min_similarity``.

    Raises:
        DataError: A similarity is asked for and nothing measures it.
    """

    min_similarity: float | None = None
    max_edit_distance: float | None = None
    embed: Embed | None = None

    def __post_init__(self) -> None:
        if self.min_similarity is not None and self.embed is None:
            raise DataError(
                "a least similarity is asked for, but no embedding model measures it",
                cure="name one, or use max_edit_distance",
            )

    def measure(self, pairs: Sequence[Pair]) -> list[Drift]:
        """Return the drift of each pair."""
        distance = _levenshtein().normalized_distance
        distances = [round(float(distance(before, after)), 4) for before, after in pairs]
        if self.embed is None or not pairs:
            return [Drift(None, each) for each in distances]
        vectors = self.embed([before for before, _ in pairs] + [after for _, after in pairs])
        cosines = (vectors[: len(pairs)] * vectors[len(pairs) :]).sum(axis=1)
        return [Drift(round(float(c), 4), each) for c, each in zip(cosines, distances, strict=True)]

    def fault(self, drift: Drift) -> str | None:
        """Return why a new row is dropped, or None."""
        if self.min_similarity is not None and (drift.similarity or 0.0) < self.min_similarity:
            return f"its similarity {drift.similarity} is below {self.min_similarity}"
        if self.max_edit_distance is not None and drift.edit_distance > self.max_edit_distance:
            return f"its edit distance {drift.edit_distance} is above {self.max_edit_distance}"
        return None


def _levenshtein() -> Any:
    module = require(
        "rapidfuzz.distance", extra="data", purpose="measuring how far a new row is from its source"
    )
    return module.Levenshtein
