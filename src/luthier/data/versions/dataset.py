"""One data set of a store: its log, its files by hash, and which version a name means."""

from __future__ import annotations

import difflib
import getpass
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from typing import Any

from luthier.core.errors import DataError
from luthier.data.versions import encryption
from luthier.data.versions.log import Log
from luthier.data.versions.manifest import Manifest
from luthier.data.versions.rights import check
from luthier.data.versions.state import State, Version
from luthier.data.versions.storage import Storage, open_storage

LATEST = "latest"


class DataSet:
    """A data set in a store.

    Args:
        name: Of the data set.
        storage: Its own folder in the store.
        where: Store and data set, for errors.
        principal: Who asks; rights are checked for it.
    """

    def __init__(self, name: str, storage: Storage, where: str, *, principal: str | None = None) -> None:
        self.name = name
        self.storage = storage
        self.where = where
        self.principal = principal
        self.log = Log(storage, where)
        self._keys: encryption.Keys | None = None

    def state(self, right: str = "read") -> State:
        """Return what stands in the log.

        Raises:
            DataError: The principal lacks the right, or the log is damaged.
        """
        state = self.log.state()
        check(state, self.principal, right, self.where)
        return state

    def commit(self, right: str, decide: Callable[[State], Mapping[str, Any] | None]) -> State:
        """Add an entry to the log; see `Log.append`.

        Args:
            right: That this needs.
            decide: From the state to the entry's facts.
        """

        def checked(state: State) -> Mapping[str, Any] | None:
            check(state, self.principal, right, self.where)
            return decide(state)

        return self.log.append(checked, self.principal or _user())

    def resolve(self, ref: str | None = None, state: State | None = None) -> Version:
        """Return the version that a number, tag or time names; by default the latest.

        Args:
            ref: ``3``, a tag, ``latest``, or a time (ISO 8601, local unless it names a zone; a day means
                its end): what was the latest version then.
            state: What the log says, where that is known already.

        Raises:
            DataError: There is no such version.
        """
        state = state or self.state()
        number = self._number(ref or LATEST, state)
        if number in state.forgotten:
            raise self.fault(
                f"version {number} was forgotten on {state.forgotten[number].time[:10]}", "pick another"
            )
        if number not in state.versions:
            raise self.fault(f"there is no version {number}", f"it has {_numbers(state)}")
        return state.versions[number]

    def manifest(self, version: Version) -> Manifest:
        """Return what a version is made of."""
        data = self.read_object(version.manifest, "json", self.place(version.number))
        return Manifest.from_bytes(data)

    def read_object(self, name: str, kind: str, where: str) -> bytes:
        """Return a file, from whichever tier it is in, after its hash was checked.

        Args:
            name: Its SHA-256.
            kind: ``parquet`` or ``json``.
            where: For errors.

        Raises:
            DataError: It is gone, or not what was written.
        """
        path = object_path(name, kind)
        try:
            data = self.storage.read(path)
        except FileNotFoundError as error:
            cold = self.log.state().cold.get(name)
            if cold is None:
                raise _lost(path, where) from error
            try:
                data = open_storage(cold.storage).read(path)
            except FileNotFoundError:
                raise _lost(path, f"{where}, cold tier {cold.storage}") from error
        if hashlib.sha256(data).hexdigest() != name:
            raise DataError(
                f"file {path} is damaged: its content has another hash",
                where=where,
                cure="restore it from a backup, or use another version; `luthier data versions verify` looks at all",
            )
        return data

    def write_object(self, data: bytes, kind: str) -> str:
        """Store a file under its hash, and return that."""
        name = hashlib.sha256(data).hexdigest()
        # Also where it stands already: its age protects it from garbage collection until it is committed.
        self.storage.write(object_path(name, kind), data)
        return name

    def key(self, wanted: str | None, where: str) -> tuple[str, bytes]:
        """Return the key with an id, or the one that encrypts; see `encryption.needed_key`."""
        self._keys = self._keys or encryption.load_keys()
        return encryption.needed_key(self._keys, wanted, where)

    def place(self, number: int) -> str:
        """Return store, data set and version, for errors."""
        return f"{self.where}, version {number}"

    def fault(self, problem: str, cure: str | None = None) -> DataError:
        """Return an error that names store and data set."""
        return DataError(problem, where=self.where, cure=cure)

    def _number(self, ref: str, state: State) -> int:
        if state.latest is None:
            raise self.fault("has no versions", "luthier data versions snapshot FILE --name NAME")
        if ref == LATEST:
            return state.latest
        if ref in state.tags:
            return state.tags[ref]
        if ref.isdecimal():
            return int(ref)
        if (moment := moment_of(ref)) is None:
            near = difflib.get_close_matches(ref, state.tags, n=1)
            tags = f"its tags are {', '.join(state.tags)}" if state.tags else "it has no tags"
            cure = f"did you mean {near[0]}?" if near else f"{tags}; it has {_numbers(state)}"
            raise self.fault(f"{ref!r} is no version number, tag or time", cure)
        earlier = [number for when, number in state.moves if datetime.fromisoformat(when) <= moment]
        if not earlier:
            raise self.fault(f"had no version at {ref}", f"the first is from {state.moves[0][0]}")
        return earlier[-1]


def object_path(name: str, kind: str) -> str:
    """Return where a file stands in a data set's folder."""
    return f"objects/{name}.{kind}"


def moment_of(text: str) -> datetime | None:
    """Return the time that a text names, or None where it names none; a day means its end."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if "T" not in text.upper() and ":" not in text:
        moment = datetime.combine(moment.date(), time.max)
    return moment.astimezone(UTC)


def _lost(path: str, where: str) -> DataError:
    return DataError(
        f"file {path} is gone",
        where=where,
        cure="restore it from a backup; `luthier data versions verify` lists all that is missing",
    )


def _numbers(state: State) -> str:
    numbers = sorted(state.versions)
    return f"versions {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"version {numbers[0]}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
