"""Divide rows into those that are trained and those that are held out, as `data.eval` says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

import pyarrow

from luthier.core.errors import DataError
from luthier.data.duplicates.near import NearDuplicates
from luthier.data.duplicates.remove import group_labels
from luthier.data.operators.batch import leave_out_at, samples_of
from luthier.data.split import RowKey, connected, fold_keys, key_of, key_of_label, split_keys
from luthier.recipe.data_sections.duplicates import OutOfDomainSection
from luthier.recipe.schema import EvalSection

LEAK = "leaks_into_eval"
_SIMILAR = 0.8

Side = Literal["train", "eval"]


class Division:
    """Which side each kept row is on.

    Args:
        batches: All rows; they are read once, or twice with ``near_duplicates``.
        evaluation: Of the recipe.
        seed: Of the draw.

    Raises:
        DataError: The rows cannot be divided so.
    """

    def __init__(self, batches: Iterable[pyarrow.RecordBatch], evaluation: EvalSection, seed: int) -> None:
        domain = evaluation.out_of_domain
        keys: list[RowKey] = []
        outside: list[bool] = []
        for batch in batches:
            for sample in samples_of(batch):
                keys.append(key_of(sample))
                outside.append(domain is not None and sample.attributes.get(domain.field) in domain.values)
        if evaluation.near_duplicates == "together":
            labels = group_labels(batches, NearDuplicates(_SIMILAR, seed=seed))
            keys = [
                key._replace(shared=(*key.shared, key_of_label(int(label))))
                for key, label in zip(keys, labels, strict=True)
            ]
        self._leaks: Mapping[int, tuple[str, str]] = {} if domain is None else _leaks(keys, outside, domain)
        self._is_held_out = outside
        # Of the rows inside the domain that may be trained, a share or a fold is held out besides.
        inside = [row for row, is_out in enumerate(outside) if not is_out and row not in self._leaks]
        for row, is_out in zip(inside, _drawn([keys[row] for row in inside], evaluation, seed), strict=True):
            self._is_held_out[row] = is_out

    def side(self, batches: Iterable[pyarrow.RecordBatch], side: Side) -> Iterator[pyarrow.RecordBatch]:
        """Yield the rows of one side. Rows that are left out are on the training side, with those that would leak."""
        number = 0
        for batch in batches:
            chosen, leaks = [], {}
            for index, is_kept in enumerate(batch["reason"].is_null().to_pylist()):
                if is_kept:
                    if number in self._leaks:
                        leaks[index] = self._leaks[number]
                    if self._is_held_out[number] == (side == "eval"):
                        chosen.append(index)
                    number += 1
                elif side == "train":
                    chosen.append(index)
            yield leave_out_at(batch, leaks).take(pyarrow.array(chosen, pyarrow.int64()))


def _drawn(keys: Sequence[RowKey], evaluation: EvalSection, seed: int) -> Sequence[bool]:
    """Tell of each row whether it is of the share or of the fold that is held out."""
    if evaluation.folds is not None:
        folds = _said_in_recipe(partial(fold_keys, keys, evaluation.folds.folds, seed), "data.eval.folds")
        return [fold == evaluation.folds.hold_out for fold in folds]
    return [False] * len(keys) if evaluation.split is None else split_keys(keys, evaluation.split, seed)


def _said_in_recipe(divide: partial[list[int]], where: str) -> list[int]:
    try:
        return divide()
    except DataError as error:
        raise DataError(error.problem, where=where, cure=error.cure) from error


def _leaks(
    keys: Sequence[RowKey], outside: Sequence[bool], domain: OutOfDomainSection
) -> dict[int, tuple[str, str]]:
    """Return the rows inside the domain that belong together with one outside, each with reason and detail."""
    wanted = f"{domain.field}: {' or '.join(domain.values)}"
    if not any(outside):
        raise DataError(
            f"no row has {wanted}",
            where="data.eval.out_of_domain",
            cure="check field and values; the source's `attributes` must name the field",
        )
    if all(outside):
        raise DataError(f"all rows have {wanted}", where="data.eval.out_of_domain")
    labels = connected(keys)
    held_out = {label for label, out in zip(labels, outside, strict=True) if out}
    detail = f"shares prompt, group or near all of its text with a held-out row ({wanted})"
    return {
        row: (LEAK, detail)
        for row, (label, out) in enumerate(zip(labels, outside, strict=True))
        if not out and label in held_out
    }
