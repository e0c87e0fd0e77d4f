"""Writer: rows become shards, and shards a manifest; what is stored already is not written again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from luthier.core.hashing import hash_file
from luthier.data.sources import Row
from luthier.data.versions import columns, shards
from luthier.data.versions.dataset import DataSet, object_path
from luthier.data.versions.manifest import FieldCounts, Manifest, Shard
from luthier.data.versions.origin import Origin, sealed
from luthier.data.versions.references import ReferenceReader
from luthier.data.versions.state import State

_REFERENCES_AT_ONCE = 1 << 15
_KNOWN_VERSIONS = 8  # whose manifests are read, to find shards that need not be written again
_SURE_FOR = timedelta(minutes=30)  # less than `garbage.LEAST_GRACE`: younger files are never collected


@dataclass(frozen=True)
class SourceFile:
    """A file whose rows go into a version.

    Args:
        path: As the user named it.
        rows: Its rows, read as they are consumed.
        origin: How it was made, where that is known.
        counts: Tells the counts of rows that belong to the origin, once the rows are consumed.
    """

    path: Path
    rows: Iterable[Row]
    origin: Origin | None = None
    counts: Callable[[], Mapping[str, Any]] | None = None

    def final_origin(self) -> Origin | None:
        """Return the origin with the counts."""
        return replace(self.origin, counts=self.counts()) if self.origin and self.counts else self.origin


class Writer:
    """Writes the shards of a version.

    Args:
        dataset: That they belong to.
        state: Of it, as the writer begins.
        key: Id and bytes of the key to encrypt with.
        references: Checks the files that rows refer to.
        on_rows: Called with the number of rows so far.
    """

    def __init__(
        self,
        dataset: DataSet,
        state: State,
        key: tuple[str, bytes] | None,
        references: ReferenceReader,
        on_rows: Callable[[int], None],
    ) -> None:
        self.files: list[dict[str, Any]] = []
        self.num_new = 0
        self._dataset = dataset
        self._key = key
        self._known = _known_shards(dataset, state, key)
        self._references = references
        self._on_rows = on_rows
        self._fields = FieldCounts()
        self._identity = shards.VersionId(self._secret)
        self._found: list[Row] = []
        self._num_rows = 0
        self._reused_from: set[int] = set()
        self._written: list[str] = []
        self._began = datetime.now(UTC)

    @property
    def _secret(self) -> bytes | None:
        return self._key[1] if self._key else None

    def write(self, files: Sequence[SourceFile]) -> Manifest:
        """Store all rows and return the manifest."""
        stored: list[Shard] = []
        references: list[Shard] = []
        for part in shards.cut(self._rows(files), self._dataset.where):
            self._identity.rows.update(part.digests)
            stored.append(self._store(part, is_row=True))
            if len(self._found) >= _REFERENCES_AT_ONCE:
                references += self._store_references()
            self._on_rows(self._num_rows)
        references += self._store_references()
        self._references.check_fields(self._dataset.where)
        return Manifest(
            content=self._identity.hexdigest(),
            rows=self._num_rows,
            shards=tuple(stored),
            fields=tuple(self._fields.fields()),
            key=self._key[0] if self._key else None,
            references=tuple(references),
        )

    def check_files(self, state: State) -> None:
        """Make sure that what is about to be committed still stands.

        Raises:
            DataError: A version that gave shards was forgotten, or files were collected, meanwhile.
        """
        gone = [f"version {number}" for number in sorted(self._reused_from - state.versions.keys())]
        if not gone and datetime.now(UTC) - self._began > _SURE_FOR:
            present = {file.name for file in self._dataset.storage.files("objects")}
            gone = [name for name in self._written if object_path(name, "parquet") not in present]
        if gone:
            problem = f"the snapshot needs what was deleted while it was taken: {gone[0]}"
            raise self._dataset.fault(problem, "take the snapshot again")

    def _rows(self, files: Sequence[SourceFile]) -> Iterator[Row]:
        for file in files:
            before = self._num_rows
            for number, row in file.rows:
                self._num_rows += 1
                for reference in self._references.references(number, row, file.path):
                    self._found.append((self._num_rows, reference.as_row()))
                    self._identity.references.update([reference.digest])
                yield self._num_rows, row
            facts = {"path": str(file.path), "rows": self._num_rows - before}
            if file.path.is_file():
                sha256 = sealed(hash_file(file.path), self._secret)
                facts |= {"sha256": sha256, "bytes": file.path.stat().st_size}
                self.files.append(facts)

    def _store_references(self) -> list[Shard]:
        found, self._found = self._found, []
        return [self._store(part, is_row=False) for part in shards.cut(found, self._dataset.where)]

    def _store(self, part: shards.Cut, *, is_row: bool) -> Shard:
        table = columns.table_of(part.rows, part.digests)
        if is_row:
            self._fields.add(table)
        content = shards.content_id(part.digests, self._secret)
        if content in self._known:
            number, shard = self._known[content]
            self._reused_from.add(number)
            return shard
        data = shards.to_parquet(table, key=self._key)
        name = self._dataset.write_object(data, "parquet")
        self._written.append(name)
        self.num_new += is_row
        return Shard(name, content, len(part.rows), len(data))


def _known_shards(
    dataset: DataSet, state: State, key: tuple[str, bytes] | None
) -> dict[str, tuple[int, Shard]]:
    """Return the shards of the newest and of the latest versions, with a version's number, by content."""
    known = {}
    for number in {*sorted(state.versions)[-_KNOWN_VERSIONS:], *state.line[-_KNOWN_VERSIONS:]}:
        manifest = dataset.manifest(state.versions[number])
        if manifest.key == (key[0] if key else None):
            known.update({shard.content: (number, shard) for shard in manifest.all_shards})
    return known
