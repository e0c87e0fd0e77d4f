"""A store: a folder or bucket with data sets, each with its log and its files."""

from __future__ import annotations

import difflib
import json
import os
import re

from luthier.core.errors import DataError
from luthier.data.versions.dataset import DataSet
from luthier.data.versions.storage import Storage, open_storage, within

STORE_VARIABLE = "LUTHIER_DATA"
PRINCIPAL_VARIABLE = "LUTHIER_PRINCIPAL"
DEFAULT_STORE = "data-store"

_MARKER = "store.json"
_FORMAT = 1
_NAME = re.compile(r"\w[\w.-]{0,99}")


def store_url(url: str | None = None) -> str:
    """Return which store is meant: the one named, else ``$LUTHIER_DATA``, else ``data-store`` in this folder."""
    return url or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE


class Store:
    """Data sets under version.

    Args:
        url: Folder or URL; see `store_url`.
        principal: Who asks; by default ``$LUTHIER_PRINCIPAL``, else nobody in particular.
    """

    def __init__(self, url: str | None = None, *, principal: str | None = None) -> None:
        self.url = store_url(url)
        self.principal = principal or os.environ.get(PRINCIPAL_VARIABLE) or None
        self._storage = open_storage(self.url)

    def names(self) -> list[str]:
        """Return the names of the data sets.

        Raises:
            DataError: There is no store here.
        """
        self._check_marker()
        return [name for name in self._storage.folders() if _has_log(within(self._storage, name))]

    def dataset(self, name: str) -> DataSet:
        """Return a data set that exists.

        Raises:
            DataError: There is no such data set, or no store.
        """
        names = self.names()
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            cure = f"did you mean {near[0]}?" if near else f"it holds {', '.join(names) or 'none yet'}"
            raise DataError(f"there is no data set {name!r}", where=f"store {self.url}", cure=cure)
        return self._dataset(name)

    def make_dataset(self, name: str) -> DataSet:
        """Return a data set to write to; store and data set need not exist yet.

        Raises:
            DataError: The name cannot be one, or the storage has no safe commit.
        """
        if not _NAME.fullmatch(name):
            raise DataError(
                f"{name!r} cannot name a data set",
                where=f"store {self.url}",
                cure="letters, digits, dot, dash and underscore, beginning with a letter or a digit",
            )
        self._make_marker()
        return self._dataset(name)

    def _dataset(self, name: str) -> DataSet:
        where = f"store {self.url}, data set {name}"
        return DataSet(name, within(self._storage, name), where, principal=self.principal)

    def _check_marker(self) -> None:
        try:
            facts = json.loads(self._storage.read(_MARKER))
        except FileNotFoundError as error:
            raise DataError(
                "there is no store here",
                where=self.url,
                cure=f"`luthier data versions snapshot` makes one; --store or {STORE_VARIABLE} names another",
            ) from error
        except ValueError as error:
            raise DataError(f"{_MARKER} is damaged", where=f"store {self.url}") from error
        if facts.get("format") != _FORMAT:
            raise DataError(
                f"has format {facts.get('format')}, this Luthier knows {_FORMAT}",
                where=f"store {self.url}",
                cure="update Luthier",
            )

    def _make_marker(self) -> None:
        marker = json.dumps({"kind": "luthier data store", "format": _FORMAT}).encode()
        self._storage.create(_MARKER, marker)
        # Some servers accept a conditional write and ignore the condition: two writers would then
        # overwrite each other's commits without a word.
        if self._storage.create(_MARKER, marker):
            raise DataError(
                "its server ignores conditional writes (If-None-Match), so that commits would be lost",
                where=f"store {self.url}",
                cure="use a server that honours them (AWS S3, MinIO, R2, GCS, Azure), or a local folder",
            )
        self._check_marker()


def _has_log(storage: Storage) -> bool:
    return next(iter(storage.files("log")), None) is not None
