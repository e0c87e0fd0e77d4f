"""Lineage: from a version back to the raw files, through every version, command and operator between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luthier.core.errors import DataError
from luthier.data.versions.origin import Parent
from luthier.data.versions.store import Store


@dataclass(frozen=True)
class Ancestor:
    """A version with what it was made from.

    Args:
        name: Data set and number.
        rows: How many; None where the version is gone.
        time: When it was made.
        author: By whom.
        message: What the author says about it.
        files: That its rows were read from: ``path``, ``rows``, ``sha256``, ``bytes``.
        origins: How its rows were made; see `Origin`.
        parents: What they were made from.
        note: Why nothing more is known, where that is so.
    """

    name: str
    rows: int | None = None
    time: str = ""
    author: str = ""
    message: str = ""
    files: Sequence[Mapping[str, Any]] = ()
    origins: Sequence[Mapping[str, Any]] = ()
    parents: tuple[Ancestor, ...] = ()
    note: str | None = None


def lineage(store: Store, name: str, ref: str | None = None) -> Ancestor:
    """Return a version with all its ancestors.

    Args:
        store: That holds it, and its ancestors.
        name: Of the data set.
        ref: Which version; see `DataSet.resolve`.

    Raises:
        DataError: There is no such version. An ancestor that is gone or that may not be read is no
            fault: it says so.
    """
    number = store.dataset(name).resolve(ref).number
    return _ancestor(store, Parent(name, number), frozenset())


def _ancestor(store: Store, at: Parent, below: frozenset[Parent]) -> Ancestor:
    try:
        dataset = store.dataset(at.dataset)
        version = dataset.resolve(str(at.version))
    except DataError as error:
        return Ancestor(str(at), note=error.problem)
    entries = [dataset.log.entry(number) for number in version.entries]
    origins = [origin for entry in entries for origin in entry["origins"]]
    parents = dict.fromkeys(Parent(**parent) for origin in origins for parent in origin["parents"])
    # A file exported from a version and taken again unchanged makes that version its own parent.
    known = below | {at}
    return Ancestor(
        str(at),
        version.rows,
        version.time,
        version.author,
        version.message,
        files=[file for entry in entries for file in entry["files"]],
        origins=origins,
        parents=tuple(_ancestor(store, parent, known) for parent in parents if parent not in known),
    )
