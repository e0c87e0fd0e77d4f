"""BalanceRows: a step that sees all rows, then weights, copies or leaves out rows by their classes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow
import pyarrow.compute as compute
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.balance.classes import Find, class_of, shown, value_in_sample
from luthier.data.balance.sampling import Classes, oversampled, stratified, undersampled
from luthier.data.balance.weights import Weighting, class_weights
from luthier.data.operators.batch import json_of, with_columns
from luthier.data.operators.spool import spooled
from luthier.data.row_json import dumps, loads

Method = Literal["weights", "oversample", "undersample", "stratified"]
_REASONS = {"undersample": "undersampled", "stratified": "not_sampled"}


@dataclass(frozen=True)
class ClassBalance:
    """What became of one class.

    Args:
        name: The values of its fields.
        rows: Before.
        rows_after: After.
        weight: Of each of its rows.
    """

    name: str
    rows: int
    rows_after: int
    weight: float = 1.0


@dataclass(frozen=True)
class Balance:
    """What became of all classes.

    Args:
        classes: The largest first.
        without: Rows that lack a field; they stay as they are.
    """

    classes: Sequence[ClassBalance]
    without: int


@dataclass(frozen=True)
class BalanceRows:
    """Balances rows by the values of fields; rows without them pass unchanged.

    Memory holds 4 to 12 bytes a row; the rows wait in a temporary file until all are counted.

    Args:
        by: Fields whose values make a class, together.
        method: ``weights`` writes the row's weight, which multiplies one that it has; ``oversample`` repeats rows of
            small classes; ``undersample`` leaves out rows of large ones; ``stratified`` draws a smaller set with
            the same shares.
        weighting: Of ``weights``; see `class_weights`.
        beta: Of ``effective_number``.
        max_weight: Of ``weights``: no row gets more.
        max_ratio: Of ``oversample`` and ``undersample``: largest class over smallest, after.
        max_copies: Of ``oversample``: no row is there more often.
        share: Of ``stratified``: of all rows with the fields.
        num_rows: Of ``stratified``, instead of a share.
        seed: Of the draw.
        find: Reads a field of a row: of a sample, or of a row of a file.
        on_balance: Told what became of the classes, before the first batch comes out.
    """

    by: tuple[str, ...]
    method: Method = "weights"
    weighting: Weighting = "balanced"
    beta: float = 0.999
    max_weight: float | None = None
    max_ratio: float = 1.0
    max_copies: int | None = None
    share: float | None = None
    num_rows: int | None = None
    seed: int = 0
    find: Find = value_in_sample
    on_balance: Callable[[Balance], None] = field(default=lambda balance: None)

    def __call__(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Take all batches, then yield them balanced.

        Raises:
            DataError: No row has a field, or all rows are of one class.
        """
        census = _Census(self.by, self.find)
        with spooled(map(census.count, batches)) as read_again:
            classes = census.checked(self.method)
            weights, copies = self._decide(census.names, classes)
            self.on_balance(_summary(census.names, classes, weights, copies))
            done = 0
            for batch in read_again():
                part = slice(done, done + batch.num_rows)
                done += batch.num_rows
                if self.method == "weights":
                    yield _weighted(batch, classes[part], [weights[name] for name in census.names])
                else:
                    yield _sampled(batch, copies[part], self.method)

    def _decide(
        self, names: Sequence[tuple[str, ...]], classes: Classes
    ) -> tuple[dict[tuple[str, ...], float], NDArray[np.int64]]:
        """Return the weight of each class and how often each row is taken."""
        sizes = np.bincount(classes[classes >= 0], minlength=len(names)).tolist()
        rows = dict(zip(names, sizes, strict=True))
        generator = np.random.default_rng(self.seed)
        if self.method == "weights":
            weights = class_weights(rows, self.weighting, beta=self.beta, max_weight=self.max_weight)
            return weights, np.ones(len(classes), np.int64)
        if self.method == "oversample":
            copies = oversampled(
                classes, max_ratio=self.max_ratio, max_copies=self.max_copies, generator=generator
            )
        elif self.method == "undersample":
            copies = undersampled(classes, max_ratio=self.max_ratio, generator=generator)
        else:
            total = sum(sizes)
            wanted = max(1, round((self.share or 1.0) * total)) if self.num_rows is None else self.num_rows
            copies = stratified(classes, min(wanted, total), generator=generator)
        return dict.fromkeys(names, 1.0), copies


class _Census:
    """Counts the classes of rows that are kept."""

    def __init__(self, by: Sequence[str], find: Find) -> None:
        self._by = by
        self._find = find
        self._numbers: dict[tuple[str, ...], int] = {}
        self._of_row = array("i")
        self._found: set[str] = set()
        self._fields: set[str] = set()
        self._source = ""

    @property
    def names(self) -> list[tuple[str, ...]]:
        """The classes, by number."""
        return list(self._numbers)

    def count(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Take rows of `ROW_BATCH`, and pass them on."""
        kept = batch["reason"].is_null().to_pylist()
        for is_kept, json in zip(kept, json_of(batch), strict=True):
            number = -1
            if is_kept:
                row = loads(json)
                values = class_of(row, self._by, self._find)
                if values is not None:
                    number = self._numbers.setdefault(values, len(self._numbers))
                else:
                    self._note(row)
            self._of_row.append(number)
        if not self._source and batch.num_rows:
            self._source = batch["source"][0].as_py()
        return batch

    def _note(self, row: Mapping[str, Any]) -> None:
        """Remember what a row without a class has, for the message."""
        self._found.update(name for name in self._by if self._find(row, name) is not None)
        self._fields.update(map(str, row))
        self._fields.update(row["attributes"] if isinstance(row.get("attributes"), Mapping) else ())

    def checked(self, method: Method) -> Classes:
        """Return the class of each row, after the check that there is something to balance."""
        if not self._numbers:
            lacking = next((name for name in self._by if name not in self._found), self._by[0])
            raise DataError(
                f"no row has the field {lacking!r}, which balance.by names",
                where=self._source or None,
                cure="a column of the file is kept with its rows where data.train[].attributes names it"
                if self._find is value_in_sample
                else f"its fields are {', '.join(sorted(self._fields)) or 'none'}",
            )
        if len(self._numbers) == 1 and method != "stratified":
            raise DataError(
                f"all rows have the same {' and '.join(self._by)}, {shown(self.names[0])!r}: nothing to balance",
                where=self._source,
            )
        return np.array(self._of_row, np.int32)


def _summary(
    names: Sequence[tuple[str, ...]],
    classes: Classes,
    weights: Mapping[tuple[str, ...], float],
    copies: NDArray[np.int64],
) -> Balance:
    has_class = classes >= 0
    before = np.bincount(classes[has_class], minlength=len(names))
    after = np.bincount(classes[has_class], weights=copies[has_class], minlength=len(names))
    of_class = [
        ClassBalance(shown(name), int(before[n]), int(after[n]), weights[name])
        for n, name in enumerate(names)
    ]
    return Balance(sorted(of_class, key=lambda c: (-c.rows, c.name)), int((~has_class).sum()))


def _weighted(batch: pyarrow.RecordBatch, classes: Classes, weights: Sequence[float]) -> pyarrow.RecordBatch:
    """Write the weight into every row that is kept; a table needs it in all of them."""
    edited = batch["edited"].to_pylist()
    current = compute.coalesce(batch["edited"], batch["raw"]).cast(pyarrow.binary()).to_pylist()
    kept = batch["reason"].is_null().to_pylist()
    for index, (is_kept, number) in enumerate(zip(kept, classes.tolist(), strict=True)):
        if is_kept:
            row = loads(current[index])
            before = row.get("weight")
            own = 1.0 if before is None or before == "" else float(before)
            edited[index] = dumps({**row, "weight": own * (weights[number] if number >= 0 else 1.0)})
    return with_columns(batch, edited=pyarrow.array(edited, pyarrow.string()))


def _sampled(batch: pyarrow.RecordBatch, copies: NDArray[np.int64], method: Method) -> pyarrow.RecordBatch:
    if method == "oversample":
        return batch.take(np.repeat(np.arange(batch.num_rows), copies))
    left_out = pyarrow.array(copies == 0)
    detail = "its class has more rows than were asked for"
    return with_columns(
        batch,
        reason=compute.if_else(left_out, _REASONS[method], batch["reason"]),
        detail=compute.if_else(left_out, detail, batch["detail"]),
    )
