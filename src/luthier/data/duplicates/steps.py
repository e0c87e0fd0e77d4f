"""From the recipe's `deduplicate` section to the step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from luthier.core.errors import DataError
from luthier.data.duplicates.exact import EqualTexts
from luthier.data.duplicates.links import Finder
from luthier.data.duplicates.near import NearDuplicates
from luthier.data.duplicates.remove import RemoveDuplicates
from luthier.data.duplicates.semantic import Embed, SemanticDuplicates
from luthier.recipe.data_sections.duplicates import DeduplicateSection


def steps_of(
    section: DeduplicateSection, *, seed: int = 1, embed: Embed | None = None
) -> list[RemoveDuplicates]:
    """Return the steps that a section asks for: one, or none where it is off.

    Args:
        section: Of the recipe.
        seed: Of the hash functions of `near`.
        embed: Embedding model of `semantic`.

    Raises:
        DataError: `semantic` without an embedding model.
    """
    if section.kind == "off":
        return []
    return [RemoveDuplicates(finder_of(section, seed=seed, embed=embed), section.keep)]


def finder_of(
    section: DeduplicateSection, *, seed: int = 1, embed: Embed | None = None
) -> Callable[[], Finder]:
    """Return what makes the finder of a section that is not off; see `steps_of`."""
    if section.kind == "exact":
        return EqualTexts
    if section.kind == "near":
        return partial(NearDuplicates, section.threshold or 0.8, ngram=section.ngram, seed=seed)
    if embed is None:
        raise DataError(
            "semantic duplicates need an embedding model", where="deduplicate", cure="pass one, or use `near`"
        )
    return partial(SemanticDuplicates, embed, section.threshold or 0.95)
