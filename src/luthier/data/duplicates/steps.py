"""From the recipe's `deduplicate` section to the step."""

from __future__ import annotations

from functools import partial

from luthier.core.errors import DataError
from luthier.data.duplicates.exact import EqualTexts
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
    if section.kind == "exact":
        return [RemoveDuplicates(EqualTexts, section.keep)]
    if section.kind == "near":
        near = partial(NearDuplicates, section.threshold or 0.8, ngram=section.ngram, seed=seed)
        return [RemoveDuplicates(near, section.keep)]
    if embed is None:
        raise DataError(
            "semantic duplicates need an embedding model", where="deduplicate", cure="pass one, or use `near`"
        )
    return [RemoveDuplicates(partial(SemanticDuplicates, embed, section.threshold or 0.95), section.keep)]
