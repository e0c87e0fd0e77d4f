"""Where a store's bytes live: a local folder or an object store, both with an atomic put-if-absent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

URL_MARK = "://"


@dataclass(frozen=True)
class Stored:
    """One stored file.

    Args:
        name: Relative to the storage's root, with slashes.
        num_bytes: Size.
        modified: When it was written last, in UTC.
    """

    name: str
    num_bytes: int
    modified: datetime


class Storage(Protocol):
    """Named bytes. Every write is whole or absent, whatever kills the process."""

    url: str

    def read(self, name: str) -> bytes:
        """Return what stands under a name.

        Raises:
            FileNotFoundError: Nothing does.
        """

    def write(self, name: str, data: bytes) -> None:
        """Put bytes under a name; what stood there before is replaced."""

    def create(self, name: str, data: bytes) -> bool:
        """Put bytes under a name if nothing stands there; return whether this call did it."""

    def files(self, prefix: str) -> Iterator[Stored]:
        """Yield all files below a folder, in no order."""

    def folders(self) -> list[str]:
        """Return the names of the folders at the root."""

    def delete(self, name: str) -> None:
        """Delete a file; one that is gone already is no fault."""

    def delete_older(self, name: str, before: datetime) -> bool:
        """Delete a file if it was written last before a time; return whether it is gone."""

    def delete_partial(self, before: datetime, *, is_dry_run: bool) -> list[Stored]:
        """Delete what killed writers left half-written before a time, and return what that was."""


def open_storage(url: str) -> Storage:
    """Return the storage at a folder's path or a URL (``s3://``, ``gs://``, ``az://``, ``file://``)."""
    from luthier.data.versions.local_storage import LocalStorage
    from luthier.data.versions.object_storage import ObjectStorage

    path = url.removeprefix("file://")
    return ObjectStorage(path) if URL_MARK in path else LocalStorage(Path(path))


def within(storage: Storage, folder: str) -> Storage:
    """Return the storage of a folder inside another."""
    return open_storage(f"{storage.url.rstrip('/')}/{folder}")
