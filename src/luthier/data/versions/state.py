"""The state of a data set: what its log's entries add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Version:
    """What the log knows of a version.

    Args:
        number: From 1; never given twice.
        content: Identity of its rows, in their order.
        manifest: SHA-256 of its manifest.
        rows: How many.
        num_bytes: Size of its files.
        time: When it was made first: ISO 8601, UTC.
        author: Who made it.
        message: What the author says about it.
        files: SHA-256 of the files that its rows were read from.
        key: Id of the key that it is encrypted with, if it is.
        identities: Of the origins of its rows.
        entries: Log entries that made it: several where the same rows came again from elsewhere.
    """

    number: int
    content: str
    manifest: str
    rows: int
    num_bytes: int
    time: str
    author: str
    message: str
    files: tuple[str, ...]
    key: str | None
    identities: tuple[str, ...]
    entries: tuple[int, ...]


@dataclass(frozen=True)
class Cold:
    """Where a file is that was moved to the cold tier.

    Args:
        storage: URL or absolute folder.
        time: When it was moved.
    """

    storage: str
    time: str


@dataclass(frozen=True)
class Forgotten:
    """A version that is no more.

    Args:
        manifest: SHA-256 of its manifest.
        time: When it was forgotten.
    """

    manifest: str
    time: str


@dataclass
class State:
    """What stands after some entries of the log.

    Args:
        entries: Number of the last entry.
        time: Of the last entry.
        versions: By number.
        line: Versions that led to the latest one, which is the last; rolling back shortens it.
        moves: When which version became the latest.
        tags: Version by tag.
        rights: Right by principal.
        is_restricted: Whether a right was ever granted; before that the data set is open.
        cold: Place by SHA-256 of the file that stands in manifests.
        tiers: Every storage that was ever a cold tier.
        forgotten: By number.
    """

    entries: int = 0
    time: str = ""
    versions: dict[int, Version] = field(default_factory=dict)
    line: list[int] = field(default_factory=list)
    moves: list[tuple[str, int]] = field(default_factory=list)
    tags: dict[str, int] = field(default_factory=dict)
    rights: dict[str, str] = field(default_factory=dict)
    is_restricted: bool = False
    cold: dict[str, Cold] = field(default_factory=dict)
    tiers: list[str] = field(default_factory=list)
    forgotten: dict[int, Forgotten] = field(default_factory=dict)

    @property
    def latest(self) -> int | None:
        """Number of the latest version; None while there is none."""
        return self.line[-1] if self.line else None

    @property
    def next_number(self) -> int:
        """Number that the next version gets."""
        return max([0, *self.versions, *self.forgotten]) + 1

    def tags_of(self, number: int) -> list[str]:
        """Return the tags of a version."""
        return sorted(tag for tag, version in self.tags.items() if version == number)

    def with_content(self, content: str) -> Version | None:
        """Return the version that has these rows."""
        return next((v for v in self.versions.values() if v.content == content), None)

    def take(self, entry: Mapping[str, Any]) -> None:
        """Take in the next entry of the log."""
        self.entries = entry["entry"]
        self.time = entry["time"]
        _TAKE[entry["action"]](self, entry)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> State:
        """Return the state that `to_json` gave."""
        versions = {
            int(n): Version(**v | {name: tuple(v[name]) for name in ("files", "identities", "entries")})
            for n, v in facts["versions"].items()
        }
        return cls(
            **facts
            | {
                "versions": versions,
                "moves": [(time, number) for time, number in facts["moves"]],
                "cold": {name: Cold(**place) for name, place in facts["cold"].items()},
                "forgotten": {int(n): Forgotten(**f) for n, f in facts["forgotten"].items()},
            }
        )


def _snapshot(state: State, entry: Mapping[str, Any]) -> None:
    number = entry["version"]
    known = state.versions.get(number)
    files = tuple(file["sha256"] for file in entry["files"])
    if known:
        state.versions[number] = replace(
            known,
            files=tuple(dict.fromkeys(known.files + files)),
            identities=tuple(dict.fromkeys((*known.identities, *entry["identities"]))),
            entries=(*known.entries, entry["entry"]),
        )
    else:
        facts = ("content", "manifest", "rows", "num_bytes", "time", "author", "message", "key")
        state.versions[number] = Version(
            number=number,
            files=files,
            identities=tuple(entry["identities"]),
            entries=(entry["entry"],),
            **{name: entry[name] for name in facts},
        )
    if "owner" in entry:
        state.rights[entry["owner"]] = "admin"
        state.is_restricted = True
    if entry["tag"]:
        state.tags[entry["tag"]] = number
    if state.latest != number:
        state.line.append(number)
        state.moves.append((entry["time"], number))


def _rollback(state: State, entry: Mapping[str, Any]) -> None:
    number = entry["version"]
    if number in state.line:
        del state.line[state.line.index(number) + 1 :]
    else:
        state.line.append(number)
    state.moves.append((entry["time"], number))


def _forget(state: State, entry: Mapping[str, Any]) -> None:
    gone = state.versions.pop(entry["version"])
    state.forgotten[gone.number] = Forgotten(gone.manifest, entry["time"])
    state.line = [number for number in state.line if number != gone.number]


def _tag(state: State, entry: Mapping[str, Any]) -> None:
    state.tags[entry["tag"]] = entry["version"]


def _untag(state: State, entry: Mapping[str, Any]) -> None:
    del state.tags[entry["tag"]]


def _cool(state: State, entry: Mapping[str, Any]) -> None:
    for name in entry["objects"]:
        state.cold[name] = Cold(entry["storage"], entry["time"])
    if entry["storage"] not in state.tiers:
        state.tiers.append(entry["storage"])


def _warm(state: State, entry: Mapping[str, Any]) -> None:
    for name in entry["objects"]:
        state.cold.pop(name, None)


def _grant(state: State, entry: Mapping[str, Any]) -> None:
    state.rights[entry["principal"]] = entry["right"]
    state.is_restricted = True


def _revoke(state: State, entry: Mapping[str, Any]) -> None:
    del state.rights[entry["principal"]]


_TAKE = {
    "snapshot": _snapshot,
    "rollback": _rollback,
    "forget": _forget,
    "tag": _tag,
    "untag": _untag,
    "cool": _cool,
    "warm": _warm,
    "grant": _grant,
    "revoke": _revoke,
}
