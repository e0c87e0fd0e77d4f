"""Files that rows refer to, such as images: path or URL, hash and size, checked when a version is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.core.hashing import hash_file
from luthier.data.versions import columns

_URL_MARK = "://"
_PLACES = ("path", "url", "file_name")


@dataclass(frozen=True)
class Reference:
    """A file that a row refers to.

    Args:
        row: Number of the row.
        field: Name of the row's field.
        place: Path or URL, as the row has it.
        folder: That a path starts from; None for a URL.
        sha256: Of its content; None for a URL of which the row tells none.
        num_bytes: Its size, or None likewise.
    """

    row: int
    field: str
    place: str
    folder: str | None
    sha256: str | None
    num_bytes: int | None

    def as_row(self) -> dict[str, Any]:
        """Return the reference as a row, to be stored as rows are."""
        return asdict(self)

    @property
    def digest(self) -> bytes:
        """What counts in a version's identity: where the file lies today does not."""
        return columns.digest_of([self.row, self.field, self.place, self.sha256, self.num_bytes])[0]

    def fault(self) -> str | None:
        """Return how the file differs from when the version was made; None where it does not, or is a URL."""
        if self.folder is None:
            return None
        path = Path(self.folder) / self.place
        if not path.is_file():
            return f"row {self.row}, field {self.field}: {path} is missing"
        if path.stat().st_size != self.num_bytes or hash_file(path) != self.sha256:
            return f"row {self.row}, field {self.field}: {path} has another content than when it was recorded"
        return None


@dataclass
class ReferenceReader:
    """Finds and checks the files that rows refer to.

    Args:
        fields: Fields that name files: a path or URL, an object with ``path`` or ``url`` and, if known,
            ``sha256`` and ``bytes``, or a list of these.
        counts: Files checked, and URLs recorded without looking.
    """

    fields: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)
    _met: set[str] = field(default_factory=set)

    def check_fields(self, where: str) -> None:
        """Refuse a field that no row had: a misspelt name would leave the files unchecked.

        Raises:
            DataError: With the name.
        """
        for name in self.fields:
            if name not in self._met:
                raise DataError(
                    f"no row has the field {name!r}, which is to name files",
                    where=where,
                    cure="check its spelling",
                )

    def references(self, number: int, row: Any, file: Path) -> Iterator[Reference]:
        """Yield the files that a row refers to.

        Raises:
            DataError: One is missing or is not what the row says.
        """
        for name in self.fields:
            value = row.get(name) if isinstance(row, Mapping) else None
            if isinstance(row, Mapping) and name in row:
                self._met.add(name)
            for entry in value if isinstance(value, list) else [value]:
                if entry is not None:
                    yield self._reference(number, name, entry, file)

    def _reference(self, number: int, name: str, entry: Any, file: Path) -> Reference:
        where = f"{file}, row {number}, field {name}"
        facts = entry if isinstance(entry, Mapping) else {"path": entry}
        place = next((facts[key] for key in _PLACES if isinstance(facts.get(key), str)), None)
        if place is None:
            cure = 'a path, a URL, or an object with "path" or "url" was expected'
            raise DataError("names no file", where=where, cure=cure)
        sha256, num_bytes = facts.get("sha256"), facts.get("bytes")
        if _URL_MARK in place:
            self.counts["urls"] += 1
            return Reference(number, name, place, None, sha256, num_bytes)
        path = file.parent / place
        if not path.is_file():
            cure = "paths start at the folder of the file that names them"
            raise DataError(f"there is no file {path}", where=where, cure=cure)
        self.counts["files"] += 1
        found_sha256, found_bytes = hash_file(path), path.stat().st_size
        if sha256 not in (None, found_sha256) or num_bytes not in (None, found_bytes):
            problem = f"{path} has {found_bytes} bytes and SHA-256 {found_sha256}; the row says otherwise"
            raise DataError(problem, where=where, cure="mend the row, or put the right file there")
        return Reference(number, name, place, str(file.parent.resolve()), found_sha256, found_bytes)
