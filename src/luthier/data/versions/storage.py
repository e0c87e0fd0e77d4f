"""Where a store's bytes live: a local folder or an object store, both with an atomic put-if-absent."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from luthier.core.errors import DataError
from luthier.core.files import sync_folder
from luthier.core.optional import require

_PARTIAL = ".partial-"
_URL_MARK = "://"


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

    def delete_partial(self, before: datetime, *, is_dry_run: bool) -> list[Stored]:
        """Delete what killed writers left half-written before a time, and return what that was."""


def open_storage(url: str) -> Storage:
    """Return the storage at a folder's path or a URL (``s3://``, ``gs://``, ``az://``, ``file://``)."""
    if url.startswith("file://"):
        url = url.removeprefix("file://")
    return ObjectStorage(url) if _URL_MARK in url else LocalStorage(Path(url))


def within(storage: Storage, folder: str) -> Storage:
    """Return the storage of a folder inside another."""
    return open_storage(f"{storage.url.rstrip('/')}/{folder}")


class LocalStorage:
    """A folder on a local disk or a mounted file system that has hard links."""

    def __init__(self, folder: Path) -> None:
        self.url = str(folder)
        self._folder = folder

    def read(self, name: str) -> bytes:
        """Return what stands under a name."""
        with self._explained(name):
            return (self._folder / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Put bytes under a name."""
        with self._explained(name), self._partial(name, data) as partial:
            partial.replace(self._folder / name)

    def create(self, name: str, data: bytes) -> bool:
        """Put bytes under a name if nothing stands there."""
        with self._explained(name), self._partial(name, data) as partial:
            try:
                # A link is made or refused in one step, and appears with its whole content.
                os.link(partial, self._folder / name)
            except FileExistsError:
                return False
        return True

    def files(self, prefix: str) -> Iterator[Stored]:
        """Yield all files below a folder."""
        return (entry for entry in self._walk(prefix) if _PARTIAL not in entry.name)

    def folders(self) -> list[str]:
        """Return the names of the folders at the root."""
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if path.is_dir())

    def delete(self, name: str) -> None:
        """Delete a file."""
        with self._explained(name):
            (self._folder / name).unlink(missing_ok=True)

    def delete_partial(self, before: datetime, *, is_dry_run: bool) -> list[Stored]:
        """Delete half-written files."""
        leftovers = [e for e in self._walk("") if _PARTIAL in e.name and e.modified < before]
        for entry in [] if is_dry_run else leftovers:
            self.delete(entry.name)
        return leftovers

    def _walk(self, prefix: str) -> Iterator[Stored]:
        for path in (self._folder / prefix).rglob("*"):
            # Another process may delete a file between the listing and the look at it.
            with suppress(FileNotFoundError):
                facts = path.stat()
                if path.is_file():
                    modified = datetime.fromtimestamp(facts.st_mtime, UTC)
                    yield Stored(path.relative_to(self._folder).as_posix(), facts.st_size, modified)

    @contextmanager
    def _partial(self, name: str, data: bytes) -> Iterator[Path]:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{_PARTIAL}{uuid.uuid4().hex}")
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield partial
            sync_folder(target.parent)
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise DataError(
                f"{name}: {error.strerror or error}",
                where=f"store {self.url}",
                cure="check the folder's rights and the room on its disk; hard links must work there",
            ) from error


_TIMEOUTS = {"connect_timeout": "10s", "timeout": "120s", "allow_http": "true"}
_RETRIES: dict[str, Any] = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}


class ObjectStorage:
    """A bucket, or a prefix in one; keys, region and endpoint come from the cloud's usual variables."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        obstore = require("obstore.store", extra="store", purpose=f"the store {url}")
        self._faults = require("obstore.exceptions", extra="store", purpose=f"the store {url}")
        try:
            self._bucket = obstore.from_url(self.url, client_options=_TIMEOUTS, retry_config=_RETRIES)
        except (self._faults.BaseError, ValueError) as error:
            raise self._fault("", error, "a folder, s3://BUCKET/PREFIX, gs://… or az://…") from error

    def read(self, name: str) -> bytes:
        """Return what stands under a name."""
        with self._explained(name):
            return bytes(self._bucket.get(name).bytes())

    def write(self, name: str, data: bytes) -> None:
        """Put bytes under a name."""
        with self._explained(name, is_write=True):
            # In parts, a killed writer would leave parts behind that no listing shows.
            self._bucket.put(name, data, use_multipart=False)

    def create(self, name: str, data: bytes) -> bool:
        """Put bytes under a name if nothing stands there (``If-None-Match: *``)."""
        with self._explained(name, is_write=True):
            try:
                self._bucket.put(name, data, mode="create", use_multipart=False)
            except self._faults.AlreadyExistsError:
                return False
        return True

    def files(self, prefix: str) -> Iterator[Stored]:
        """Yield all files below a folder."""
        with self._explained(prefix):
            for chunk in self._bucket.list(prefix or None):
                for entry in chunk:
                    yield Stored(entry["path"], entry["size"], entry["last_modified"])

    def folders(self) -> list[str]:
        """Return the names of the folders at the root."""
        with self._explained(""):
            return sorted(self._bucket.list_with_delimiter()["common_prefixes"])

    def delete(self, name: str) -> None:
        """Delete a file."""
        with self._explained(name), suppress(FileNotFoundError):
            self._bucket.delete(name)

    def delete_partial(self, before: datetime, *, is_dry_run: bool) -> list[Stored]:
        """Return nothing: an object store shows whole objects only."""
        return []

    @contextmanager
    def _explained(self, name: str, *, is_write: bool = False) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if is_write or "NoSuchBucket" in str(error):
                raise self._fault(name, error, "make the bucket first") from error
            raise
        except self._faults.BaseError as error:
            cure = "check the URL, AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            if "NoSuchBucket" in str(error):
                cure = "make the bucket first"
            raise self._fault(name, error, cure) from error

    def _fault(self, name: str, error: Exception, cure: str) -> DataError:
        # The first line says what happened; the rest is the server's XML and Rust's debug text.
        problem = str(error).splitlines()[0].split("<?xml")[0].strip(" :")
        return DataError(f"{name}: {problem}" if name else problem, where=f"store {self.url}", cure=cure)
