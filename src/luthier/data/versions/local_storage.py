"""A store's bytes on a local disk, or a mounted file system that has hard links."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from luthier.core.errors import DataError
from luthier.core.files import sync_folder
from luthier.data.versions.storage import Stored

_PARTIAL = ".partial-"


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

    def delete_older(self, name: str, before: datetime) -> bool:
        """Delete a file if it was written last before a time."""
        target = self._folder / name
        aside = target.with_name(f"{_PARTIAL}{uuid.uuid4().hex}")
        with self._explained(name):
            # Another process may write the file anew at any moment: only what was moved aside can be judged.
            try:
                target.replace(aside)
            except FileNotFoundError:
                return True
            is_old = datetime.fromtimestamp(aside.stat().st_mtime, UTC) < before
            if not is_old:
                with suppress(FileExistsError):
                    os.link(aside, target)
            aside.unlink()
            return is_old

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
