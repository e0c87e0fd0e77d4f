"""Where a file came from: inputs, command, operators with their options, code version and counts, noted beside it."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luthier import __version__
from luthier.core.errors import DataError
from luthier.core.files import read_json, write_json
from luthier.core.hashing import fingerprint, hash_file
from luthier.core.version_address import is_address
from luthier.data.sources import read_rows
from luthier.data.versions.address import find_version
from luthier.data.versions.encryption import load_keys

if TYPE_CHECKING:
    from luthier.data.versions.store import Store


@dataclass(frozen=True)
class Parent:
    """A version that rows were made from.

    Args:
        dataset: Its name.
        version: Its number.
    """

    dataset: str
    version: int

    def __str__(self) -> str:
        return f"{self.dataset}@{self.version}"


@dataclass(frozen=True)
class Origin:
    """How a file's rows were made.

    Args:
        parents: Versions that they were made from; none for raw data.
        inputs: SHA-256 of the files that they were made from.
        command: As it was typed.
        steps: Each operator's name with its options.
        code: Program and version that did it.
        counts: Rows read, kept, changed and left out, and why; see `Tally.as_json`.
        is_edited: Whether the file was changed after that.
    """

    parents: tuple[Parent, ...] = ()
    inputs: tuple[str, ...] = ()
    command: str | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
    code: str = f"luthier {__version__}"
    counts: Mapping[str, Any] = field(default_factory=dict)
    is_edited: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the origin as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Origin:
        """Return the origin that `to_json` gave."""
        known = dict(facts)
        known["parents"] = tuple(Parent(**parent) for parent in known["parents"])
        known["inputs"], known["steps"] = tuple(known["inputs"]), tuple(known["steps"])
        return cls(**known)

    def sealed(self, key: tuple[str, bytes] | None) -> Origin:
        """Return the origin as the log of an encrypted data set may tell it; see `sealed`."""
        return replace(self, inputs=tuple(sealed(sha256, key[1] if key else None) for sha256 in self.inputs))

    @property
    def identity(self) -> str:
        """What tells two origins apart."""
        return fingerprint(self.to_json())


def sealed(sha256: str, key: bytes | None) -> str:
    """Return the hash of a plain file as a log may hold it: keyed where the rows are encrypted.

    Else whoever guesses a file could find out whether it was stored.
    """
    if key is None:
        return sha256
    return hashlib.blake2b(sha256.encode(), key=key, digest_size=32).hexdigest()


def command_line() -> str:
    """Return the command that runs, as it could be typed again."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def note_origin(
    output: Path,
    *,
    inputs: Sequence[Path] = (),
    parents: Sequence[Parent] = (),
    steps: Sequence[Mapping[str, Any]] = (),
    counts: Mapping[str, Any] | None = None,
) -> None:
    """Note beside a file how it was made, so that a snapshot of it knows.

    Args:
        output: The file.
        inputs: Files and addresses that it was made from; what is noted beside them counts too.
        parents: Versions that it was made from.
        steps: Each operator's name with its options.
        counts: Of rows, see `Tally.as_json`; by default what stands beside the file tells them.
    """
    origin = made_from(inputs, parents=parents, steps=steps)
    origin = replace(origin, counts=_counts_beside(output) if counts is None else counts)
    write_json(_note_beside(output), {"sha256": hash_file(output), **origin.to_json()})


def made_from(
    inputs: Sequence[Path], *, parents: Sequence[Parent] = (), steps: Sequence[Mapping[str, Any]] = ()
) -> Origin:
    """Return the origin of rows that this command makes from files and versions.

    Args:
        inputs: Files and addresses; what is noted beside them counts too.
        parents: Versions.
        steps: What the command does: each operator's name with its options.

    Raises:
        DataError: An address names no version, or a note is damaged.
    """
    known = [_origin_of_input(path) for path in inputs]
    return Origin(
        parents=tuple(dict.fromkeys([*parents, *(parent for origin in known for parent in origin.parents)])),
        inputs=tuple(dict.fromkeys(sha256 for origin in known for sha256 in origin.inputs)),
        command=command_line(),
        steps=(*(step for origin in known for step in origin.steps), *steps),
    )


def _origin_of_input(path: Path) -> Origin:
    if is_address(path):
        version = find_version(path)
        return Origin(parents=(Parent(version.dataset.name, version.version.number),))
    sha256 = hash_file(path)
    noted = origin_of(path, sha256) or Origin()
    return replace(noted, inputs=(sha256, *noted.inputs))


def origin_of(file: Path, sha256: str) -> Origin | None:
    """Return what is noted beside a file; without a note, what its rejected and changed rows tell.

    Args:
        file: Whose rows are asked about.
        sha256: Of the file as it is now.

    Raises:
        DataError: The note is damaged.
    """
    note = _note_beside(file)
    if note.is_file():
        try:
            facts = read_json(note)
            is_edited = facts.pop("sha256") != sha256
            return Origin.from_json(facts | {"is_edited": is_edited})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError("is not a note of an origin", where=str(note), cure="delete it") from error
    counts = _counts_beside(file)
    return Origin(counts=counts, code="unknown") if counts else None


def with_parents(origin: Origin, store: Store) -> Origin:
    """Return an origin with the versions in the store that its input files were read into."""
    found = list(origin.parents)
    keys = load_keys()
    for name in store.names() if origin.inputs else ():
        for version in store.dataset(name).log.state().versions.values():
            key = keys.by_id.get(version.key) if keys and version.key else None
            if {sealed(sha256, key) for sha256 in origin.inputs}.intersection(version.files):
                found.append(Parent(name, version.number))
    return replace(origin, parents=tuple(dict.fromkeys(found)))


def _counts_beside(file: Path) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    rejected = file.with_name(f"{file.name}.rejected.jsonl")
    if rejected.is_file():
        counts["left_out"] = dict(Counter(str(row.get("reason")) for _, row in read_rows(rejected)))
    changes = file.with_name(f"{file.name}.changes.jsonl")
    if changes.is_file():
        rows = Counter[str]()
        for _, row in read_rows(changes):
            rows["changed"] += 1
            rows.update(f"changes.{change.get('operator')}" for change in row.get("changes", ()))
        counts["changed"] = rows.pop("changed")
        counts["changes"] = {name.removeprefix("changes."): number for name, number in rows.items()}
    return counts


def _note_beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.origin.json")
