"""Addresses of versions: ``dataset://NAME@REF``, wherever a file of rows can stand."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from luthier.core.errors import DataError
from luthier.core.version_address import SCHEME
from luthier.data.sources import Row
from luthier.data.versions.read import StoredVersion
from luthier.data.versions.storage import URL_MARK
from luthier.data.versions.store import DEFAULT_STORE, STORE_VARIABLE, Store

# A path joins with one slash what an address writes with two, and it may begin with the recipe's folder.
_IN_PATH = re.compile(r"(?:|(.*?)/)dataset:/{1,2}(.+)", re.DOTALL)
_BROKEN_URL = re.compile(r"^([a-z0-9]+):/(?!/)")


@dataclass(frozen=True)
class Address:
    """Which version of which data set in which store.

    Args:
        name: Of the data set.
        ref: Version number, tag, time or ``latest``; None means the latest.
        store: Folder or URL; None means the usual one.
    """

    name: str
    ref: str | None = None
    store: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address that a text is: ``NAME``, ``NAME@REF``, with ``dataset://`` or without, ``?store=URL``.

        Raises:
            DataError: It is none.
        """
        found = address_in(text)
        if found:
            return found
        body, _, query = text.partition("?")
        name, _, ref = body.partition("@")
        key, _, store = query.partition("=")
        if not name or "/" in name or (query and (key != "store" or not store)):
            raise DataError(
                f"{text!r} is no address of a version",
                cure="NAME@3, NAME@TAG, NAME@2027-01-31 or NAME; dataset:// may stand before, ?store=URL behind",
            )
        return cls(name, ref or None, _BROKEN_URL.sub(r"\1://", store) if store else None)


def address_in(path: Path | str) -> Address | None:
    """Return the address that a path is or ends with, or None where it is a path of a file.

    What stands before ``dataset://`` is the folder that paths start from (a recipe's): a store that is
    named by a relative path, or by nothing, lies there.

    Raises:
        DataError: It begins like an address and is none.
    """
    match = _IN_PATH.fullmatch(str(path))
    if not match:
        return None
    address = Address.parse(match[2])
    return replace(address, store=resolved_store(address.store, Path(match[1] or "")))


def resolved_store(named: str | None, folder: Path) -> str:
    """Return folder or URL of the store that is meant where paths start from a folder.

    Args:
        named: Folder or URL, or None for ``$LUTHIER_DATA``, else ``data-store``.
        folder: Of the recipe.
    """
    # What the environment names starts where the command runs, as everywhere.
    if named is None and (configured := os.environ.get(STORE_VARIABLE)):
        return configured
    store = named or DEFAULT_STORE
    return store if URL_MARK in store else str(folder / store)


def find_version(
    address: Address | Path | str, *, store: str | None = None, principal: str | None = None
) -> StoredVersion:
    """Return the version at an address.

    Args:
        address: See `Address.parse`.
        store: Where to look if the address does not say it; by default `store_url`.
        principal: Who asks; see `Store`.

    Raises:
        DataError: There is no such store, data set or version, or no right to read it.
    """
    parsed = address if isinstance(address, Address) else Address.parse(str(address))
    dataset = Store(parsed.store or store, principal=principal).dataset(parsed.name)
    return StoredVersion(dataset, dataset.resolve(parsed.ref))


def pinned(text: str, folder: Path) -> str:
    """Return an address as it was written, with the number of the version that it names now in place of a tag.

    Args:
        text: As a recipe names it.
        folder: That paths start from.

    Raises:
        DataError: See `find_version`.
    """
    address = address_in(folder / text)
    if address is None:
        return text
    before, _, query = text.partition("?")
    number = find_version(address).version.number
    pinned_text = f"{before[: before.index(SCHEME)]}{SCHEME}//{address.name}@{number}"
    return f"{pinned_text}?{query}" if query else pinned_text


def open_version(address: Address | Path | str) -> Iterator[Row]:
    """Yield row number from 1 and row of the version at an address, as `read_rows` does for a file."""
    yield from find_version(address).rows()


def content_of(address: Address | Path | str) -> str:
    """Return the identity of the rows at an address: what a run's fingerprint stands on instead of a file's hash."""
    return find_version(address).version.content
