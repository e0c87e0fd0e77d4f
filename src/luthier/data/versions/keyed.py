"""Compare two versions by a key: rows with the same key and another content have changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from luthier.core.errors import DataError
from luthier.data.versions import columns
from luthier.data.versions.difference import Difference, example
from luthier.data.versions.read import StoredVersion
from luthier.data.versions.tagged_json import from_json, to_json

_TABLE = "CREATE TABLE old (key BLOB PRIMARY KEY, number INTEGER, row BLOB, is_met INTEGER) WITHOUT ROWID"


def compare_by_key(
    before: StoredVersion, after: StoredVersion, key: Sequence[str], difference: Difference
) -> None:
    """Fill in how two versions differ whose rows are told by a key.

    Args:
        before: The one version; its rows wait in a temporary file, so that memory stays bounded.
        after: The other.
        key: Fields that identify a row.
        difference: To fill in.

    Raises:
        DataError: A row lacks the key, or two rows have the same.
    """
    # An empty name is a database in a temporary file that goes away when it is closed.
    with closing(sqlite3.connect("")) as old:
        old.execute(_TABLE)
        _store(old, before, key)
        last = 0
        for number, row, name in _keyed(after, key):
            found = old.execute("SELECT number, row, is_met FROM old WHERE key = ?", (name,)).fetchone()
            if found is None:
                old.execute("INSERT INTO old VALUES (?, NULL, NULL, 1)", (name,))
                difference.note("added", example((number, row)))
                continue
            if found[2]:
                raise _twice(after, number, key, row)
            old.execute("UPDATE old SET is_met = 1 WHERE key = ?", (name,))
            difference.is_reordered |= found[0] < last
            last = found[0]
            was = from_json(found[1])
            if columns.digest_of(was)[0] == columns.digest_of(row)[0]:
                difference.same += 1
            else:
                difference.note_change((found[0], was), (number, row))
        for number, text in old.execute("SELECT number, row FROM old WHERE NOT is_met ORDER BY number"):
            difference.note("removed", example((number, from_json(text))))


def _store(old: sqlite3.Connection, version: StoredVersion, key: Sequence[str]) -> None:
    for number, row, name in _keyed(version, key):
        try:
            old.execute("INSERT INTO old VALUES (?, ?, ?, 0)", (name, number, to_json(row)))
        except sqlite3.IntegrityError as error:
            raise _twice(version, number, key, row) from error


def _keyed(version: StoredVersion, key: Sequence[str]) -> Iterator[tuple[int, Any, bytes]]:
    """Yield number, row and digest of the key."""
    for number, row in version.rows():
        missing = [name for name in key if not isinstance(row, Mapping) or name not in row]
        if missing:
            raise DataError(
                f"row {number} has no field {missing[0]!r}, which is to identify it",
                where=version.where,
                cure="name fields that every row has, or leave --key out: rows are then told by content",
            )
        yield number, row, columns.digest_of([row[name] for name in key])[0]


def _twice(version: StoredVersion, number: int, key: Sequence[str], row: Any) -> DataError:
    value = ", ".join(f"{name}={row[name]!r}" for name in key)
    return DataError(
        f"row {number} has the same {value} as an earlier row",
        where=version.where,
        cure="name more fields with --key, or leave it out: rows are then told by content",
    )
