"""Take a snapshot: rows become a version, or the version that has these rows already."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError
from luthier.core.hashing import hash_file
from luthier.data.sources import Row
from luthier.data.versions import columns, shards
from luthier.data.versions.dataset import LATEST, DataSet, moment_of, object_path
from luthier.data.versions.manifest import FieldCounts, Manifest, Shard
from luthier.data.versions.origin import Origin, sealed
from luthier.data.versions.references import ReferenceReader
from luthier.data.versions.state import State, Version

_TAG = re.compile(r"\w[\w.-]{0,99}")
_REFERENCES_AT_ONCE = 1 << 15
_KNOWN_VERSIONS = 8  # whose manifests are read, to find shards that need not be written again
_SURE_FOR = timedelta(minutes=30)
"""Files younger than this are never collected as garbage; see `garbage.LEAST_GRACE`."""


@dataclass(frozen=True)
class SourceFile:
    """A file whose rows go into a version.

    Args:
        path: As the user named it.
        rows: Its rows, read as they are consumed.
        origin: How it was made, where that is known.
    """

    path: Path
    rows: Iterable[Row]
    origin: Origin | None = None


@dataclass(frozen=True)
class Taken:
    """What became of a snapshot.

    Args:
        version: That has the rows.
        is_new: Whether it is new; otherwise these rows were known.
        new_shards: Files of rows that were written; the others were there.
    """

    version: Version
    is_new: bool
    new_shards: int


@dataclass
class Snapshot:
    """How to take a snapshot.

    Args:
        message: What the author says about it.
        tag: To give to the version.
        moves_tag: Whether the tag may be taken from another version.
        is_encrypted: Encrypt; a data set with encrypted versions is encrypted anyway.
        references: Checks the files that rows refer to.
        on_rows: Called with the number of rows so far.
    """

    message: str = ""
    tag: str | None = None
    moves_tag: bool = False
    is_encrypted: bool = False
    references: ReferenceReader = field(default_factory=lambda: ReferenceReader(()))
    on_rows: Callable[[int], None] = lambda rows: None

    def take(self, dataset: DataSet, files: Sequence[SourceFile]) -> Taken:
        """Store the rows of files as a version.

        Args:
            dataset: It need not exist yet.
            files: In the order of their rows.

        Raises:
            DataError: A row cannot be stored, the tag is taken, a key is missing or a right.
        """
        state = dataset.state("write")
        check_tag(dataset, state, self.tag, None, may_move=self.moves_tag)  # before hours of work
        is_encrypted = self.is_encrypted or any(version.key for version in state.versions.values())
        key = dataset.key(None, dataset.where) if is_encrypted else None
        writer = _Writer(dataset, key, _known_shards(dataset, state, key), self.references, self.on_rows)
        manifest = writer.write(files)
        if not manifest.rows:
            raise DataError("there are no rows to store", where=", ".join(str(file.path) for file in files))
        origins = [file.origin.sealed(key) for file in files if file.origin]
        facts = {
            "content": manifest.content,
            "manifest": dataset.write_object(manifest.to_bytes(), "json"),
            "rows": manifest.rows,
            "num_bytes": manifest.num_bytes,
            "key": manifest.key,
            "message": self.message,
            "tag": self.tag,
            "files": writer.files,
            "origins": [origin.to_json() for origin in origins],
            "identities": sorted(origin.identity for origin in origins),
        }
        return self._commit(dataset, writer, facts)

    def _commit(self, dataset: DataSet, writer: _Writer, facts: Mapping[str, Any]) -> Taken:
        before: set[int] = set()

        def decide(state: State) -> Mapping[str, Any] | None:
            writer.check_files(state)
            before.clear()
            before.update(state.versions)
            known = state.with_content(facts["content"])
            number = known.number if known else state.next_number
            check_tag(dataset, state, self.tag, number, may_move=self.moves_tag)
            if known and _is_told(state, known, facts):
                return None
            first = {} if state.entries or not dataset.principal else {"owner": dataset.principal}
            return {"action": "snapshot", "version": number, **facts, **first}

        after = dataset.commit("write", decide)
        version = after.with_content(facts["content"])
        assert version
        return Taken(version, version.number not in before, writer.num_new)


class _Writer:
    """Writes the shards of a version."""

    def __init__(
        self,
        dataset: DataSet,
        key: tuple[str, bytes] | None,
        known: Mapping[str, tuple[int, Shard]],
        references: ReferenceReader,
        on_rows: Callable[[int], None],
    ) -> None:
        self.files: list[dict[str, Any]] = []
        self.num_new = 0
        self._dataset = dataset
        self._key = key
        self._known = known
        self._references = references
        self._on_rows = on_rows
        self._fields = FieldCounts()
        self._identity = shards.ContentId(self._secret)
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
            self._identity.update(part.digests)
            stored.append(self._store(part, is_row=True))
            if len(self._found) >= _REFERENCES_AT_ONCE:
                references += self._store_references()
            self._on_rows(self._num_rows)
        references += self._store_references()
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
                    self._identity.update([reference.digest])
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
        data = shards.to_parquet(table, level=shards.HOT_LEVEL, key=self._key)
        name = self._dataset.write_object(data, "parquet")
        self._written.append(name)
        self.num_new += is_row
        return Shard(name, content, len(part.rows), len(data))


def check_tag(dataset: DataSet, state: State, tag: str | None, number: int | None, *, may_move: bool) -> None:
    """Refuse a tag that cannot be one, or that another version has.

    Args:
        dataset: Whose tag it would be.
        state: Of the data set.
        tag: Or None, which is no fault.
        number: Version that is to have it; None for one that is not known yet.
        may_move: Whether it may be taken from another version.

    Raises:
        DataError: With what to do instead.
    """
    if tag is None:
        return
    if not _TAG.fullmatch(tag) or tag.isdecimal() or tag == LATEST or moment_of(tag):
        raise dataset.fault(
            f"{tag!r} cannot be a tag",
            "letters, digits, dot, dash and underscore; no number, no date, not `latest`",
        )
    holder = state.tags.get(tag)
    if number is not None and holder not in (None, number) and not may_move:
        raise dataset.fault(
            f"tag {tag} belongs to version {holder}, not {number}", "move it with --move-tag, or take another"
        )


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


def _is_told(state: State, known: Version, facts: Mapping[str, Any]) -> bool:
    """Whether the log says already what a snapshot of known rows would say."""
    files = {file["sha256"] for file in facts["files"]}
    return (
        state.latest == known.number
        and facts["message"] in ("", known.message)
        and (facts["tag"] is None or state.tags.get(facts["tag"]) == known.number)
        and files <= set(known.files)
        and set(facts["identities"]) <= set(known.identities)
    )
