"""Take a snapshot: rows become a version, or the version that has these rows already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from luthier.core.errors import DataError
from luthier.data.versions.dataset import DataSet
from luthier.data.versions.references import ReferenceReader
from luthier.data.versions.state import State, Version
from luthier.data.versions.tags import check_tag
from luthier.data.versions.writer import SourceFile, Writer


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
        writer = Writer(dataset, state, key, self.references, self.on_rows)
        manifest = writer.write(files)
        if not manifest.rows:
            raise DataError("there are no rows to store", where=", ".join(str(file.path) for file in files))
        origins = [origin.sealed(key) for file in files if (origin := file.final_origin())]
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

    def _commit(self, dataset: DataSet, writer: Writer, facts: Mapping[str, Any]) -> Taken:
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
