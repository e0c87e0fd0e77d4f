"""The profile of a recipe's rows: training rows and held-out rows as two files, compared with each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow

from luthier.core.files import strict_json, write_json, write_text
from luthier.data.example import Rejection
from luthier.data.operators.batch import samples_of
from luthier.data.profile.describe import describe
from luthier.data.profile.profiler import Profiler
from luthier.data.profile.report import render
from luthier.data.sample import Sample
from luthier.recipe.data_sections.profile import ProfileSection

PROFILE_FILE, PROFILE_PAGE = "profile.json", "profile.html"


def write_profile(
    section: ProfileSection,
    sides: Mapping[str, Iterable[pyarrow.RecordBatch]],
    folder: Path,
    *,
    tokenizer: Any = None,
    seed: int = 0,
) -> dict[str, Any] | None:
    """Write the profile of rows into a folder and return it; None where the recipe asks for none.

    Args:
        section: Of the recipe.
        sides: Rows of ``train`` and ``eval``; each is read once.
        folder: Gets ``profile.json`` and ``profile.html``.
        tokenizer: Of the base; unused where the section leaves tokens out.
        seed: Of permutations.
    """
    if not section.enabled:
        return None
    profiler = Profiler(
        bins=section.bins,
        tokenizer=tokenizer if section.tokens else None,
        has_languages=section.languages,
    )
    for name, batches in sides.items():
        for _ in profiler.read(name, _rows(batches)):
            pass
    found = describe(profiler, seed=seed)
    write_json(folder / PROFILE_FILE, strict_json(found))
    write_text(folder / PROFILE_PAGE, render(found))
    return found


def _rows(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[Sample | Rejection]:
    for batch in batches:
        yield from samples_of(batch)
        out = batch.filter(batch["reason"].is_valid())
        columns = (out[name].to_pylist() for name in ("source", "row", "reason", "detail"))
        yield from (Rejection(*facts) for facts in zip(*columns, strict=True))
