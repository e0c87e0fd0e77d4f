"""Export a version to a plain file, which remembers where it came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from luthier.data.sinks import writing
from luthier.data.versions.origin import Parent, note_origin
from luthier.data.versions.read import StoredVersion


def export(
    version: StoredVersion, output: Path, *, on_rows: Callable[[int], None] = lambda rows: None
) -> int:
    """Write the rows of a version to a file, and return how many there are.

    Args:
        version: To write.
        output: Its suffix says the kind, as everywhere.
        on_rows: Called with the number of rows so far.

    Raises:
        DataError: A shard is damaged, a key is missing, or the rows cannot be written there.
    """
    number = 0
    with writing(output) as write:
        for number, row in version.rows():
            write(row)
            if number % 1000 == 0:
                on_rows(number)
    note_origin(output, parents=[Parent(version.dataset.name, version.version.number)])
    return number
