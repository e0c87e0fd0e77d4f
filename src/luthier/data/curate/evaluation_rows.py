"""Training rows that stand in an evaluation file too, or nearly: they are left out, the held-out rows never."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import pyarrow

from luthier.data.duplicates.exact import ExactDuplicates
from luthier.data.duplicates.links import Finder
from luthier.data.duplicates.near import NearDuplicates
from luthier.data.duplicates.remove import RemoveLikeOthers
from luthier.data.duplicates.semantic import Embed
from luthier.data.duplicates.steps import finder_of
from luthier.data.operators.batch import leave_out_at, samples_of
from luthier.data.operators.execute import Step
from luthier.data.operators.spool import BatchSpool
from luthier.recipe.schema import DataSection

EQUAL = "in_evaluation_set"
SIMILAR = "like_evaluation_row"
_SIMILARITY = 0.8


def steps_of(data: DataSection, held_out: BatchSpool, *, seed: int, embed: Embed | None = None) -> list[Step]:
    """Return the steps that leave out training rows because of the rows of evaluation files.

    Args:
        data: Of the recipe.
        held_out: Rows of the evaluation files.
        seed: Of hash functions.
        embed: Embedding model, where duplicates are told by meaning.
    """
    steps: list[Step] = [partial(_without_equal, held_out=held_out)]
    if make_finder := _finder(data, seed, embed):
        steps.append(RemoveLikeOthers(held_out, make_finder, SIMILAR))
    return steps


def _finder(data: DataSection, seed: int, embed: Embed | None) -> Callable[[], Finder] | None:
    if data.clean.deduplicate.kind in ("near", "semantic"):
        return finder_of(data.clean.deduplicate, seed=seed, embed=embed)
    if data.eval.near_duplicates == "together":
        return partial(NearDuplicates, _SIMILARITY, seed=seed)
    return None


def _without_equal(
    batches: Iterable[pyarrow.RecordBatch], held_out: BatchSpool
) -> Iterator[pyarrow.RecordBatch]:
    seen = ExactDuplicates()
    for batch in held_out:
        for sample in samples_of(batch):
            seen.first_place(sample)
    for batch in batches:
        kept = [index for index, is_kept in enumerate(batch["reason"].is_null().to_pylist()) if is_kept]
        places = {index: seen.place_of(s) for index, s in zip(kept, samples_of(batch), strict=True)}
        yield leave_out_at(batch, {i: (EQUAL, f"equal to {p}") for i, p in places.items() if p})
