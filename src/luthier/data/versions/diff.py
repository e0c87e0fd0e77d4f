"""What changed between two versions: rows added, removed and changed, by key or by content, and the schema."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from luthier.data.sources import Row
from luthier.data.versions import columns
from luthier.data.versions.difference import Difference, example
from luthier.data.versions.keyed import compare_by_key
from luthier.data.versions.read import StoredVersion

_NEIGHBOURS = 20  # how far a changed row is looked for
_LEAST_LIKENESS = 0.5  # Jaccard, of words and of characters beyond ASCII
_COMPARED_CHARACTERS = 2000


def compare(before: StoredVersion, after: StoredVersion, *, key: Sequence[str] = ()) -> Difference:
    """Return how one version differs from another.

    Args:
        before: The one version.
        after: The other.
        key: Fields that identify a row. Without them rows are told by their content, and a row counts as
            changed where one went and a like one came at the same place.

    Raises:
        DataError: A row lacks the key, or two rows have the same.
    """
    difference = Difference(before.name, after.name, schema=_schema_change(before, after))
    if before.version.content == after.version.content:
        difference.same = len(after)
        return difference
    if key:
        compare_by_key(before, after, key, difference)
    else:
        _compare_by_content(before, after, difference)
    difference.references = _changed_references(before, after)
    return difference


def _schema_change(before: StoredVersion, after: StoredVersion) -> dict[str, tuple[str | None, str | None]]:
    old, new = ({f.name: f.type for f in version.manifest.fields} for version in (before, after))
    names = dict.fromkeys([*old, *new])
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def _changed_references(before: StoredVersion, after: StoredVersion) -> int:
    old, new = (
        Counter((r.field, r.place, r.sha256, r.num_bytes) for r in version.references())
        for version in (before, after)
    )
    return max((old - new).total(), (new - old).total())


def _compare_by_content(before: StoredVersion, after: StoredVersion, difference: Difference) -> None:
    old, new = before.digests(), after.digests()
    is_gone, is_new = _beyond(old, new), _beyond(new, old)
    difference.same = int((~is_gone).sum())
    difference.is_reordered = not np.array_equal(old[~is_gone], new[~is_new])
    for olds, news in zip(_runs(before, is_gone), _runs(after, is_new), strict=True):
        _pair(olds, news, difference)


def _beyond(mine: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return which rows one version has more often than the other: the last of the equal ones."""
    rows = np.ascontiguousarray(np.concatenate([mine, other])).view(f"V{columns.DIGEST_BYTES}").ravel()
    _, ids = np.unique(rows, return_inverse=True)
    own, others = ids[: len(mine)], ids[len(mine) :]
    order = np.argsort(own, kind="stable")
    grouped = own[order]
    rank = np.arange(len(grouped)) - np.searchsorted(grouped, grouped)
    is_beyond = np.empty(len(mine), bool)
    is_beyond[order] = rank >= np.bincount(others, minlength=ids.max(initial=0) + 1)[grouped]
    return is_beyond


def _runs(version: StoredVersion, is_only: np.ndarray) -> Iterator[Iterator[Row]]:
    """Yield, before each row that both versions have and at the end, the rows since the last such row."""
    rows = version.rows()
    start = 0
    for end in [*np.flatnonzero(~is_only).tolist(), len(is_only)]:
        run = islice(rows, end - start)
        yield run
        deque(run, maxlen=0)
        next(rows, None)
        start = end + 1


def _pair(olds: Iterator[Row], news: Iterator[Row], difference: Difference) -> None:
    """Count the rows of two runs: like ones as changed, the others as removed and added."""
    waiting: deque[tuple[Row, frozenset[str]]] = deque()
    for old in olds:
        while len(waiting) < _NEIGHBOURS and (new := next(news, None)):
            waiting.append((new, _parts(new[1])))
        parts = _parts(old[1]) if waiting else frozenset()
        index = next((i for i, (_, other) in enumerate(waiting) if _is_like(parts, other)), None)
        if index is None:
            difference.note("removed", example(old))
            continue
        for _ in range(index):
            difference.note("added", example(waiting.popleft()[0]))
        difference.note_change(old, waiting.popleft()[0])
    for new in (*(new for new, _ in waiting), *news):
        difference.note("added", example(new))


def _is_like(old: frozenset[str], new: frozenset[str]) -> bool:
    return len(old & new) >= _LEAST_LIKENESS * len(old | new)


def _parts(row: Any) -> frozenset[str]:
    text = _text(row)[:_COMPARED_CHARACTERS]
    return frozenset(text.split()) | {character for character in text if character > "\x7f"}


def _text(row: Any) -> str:
    if isinstance(row, Mapping):
        return " ".join(map(_text, row.values()))
    return " ".join(map(_text, row)) if isinstance(row, list) else str(row)
