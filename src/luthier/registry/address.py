"""How a registry and the versions in it are named: store URLs, ``models:/NAME/3`` and ``models:/NAME@ALIAS``."""

from __future__ import annotations

import os
from pathlib import Path

from luthier.core.errors import RegistryError

DEFAULT_URI = "sqlite:///mlflow.db"
SCHEME = "models:/"
_SQLITE = "sqlite:///"


def store_uri(tracking_uri: str | None) -> str:
    """Return the store to use: the one that is named, else MLFLOW_TRACKING_URI, else `DEFAULT_URI`."""
    return tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def sqlite_file(uri: str) -> Path | None:
    """Return the database file of a SQLite URL; None for any other store."""
    if not uri.startswith(_SQLITE):
        return None
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]).resolve()


def check_store(uri: str, *, may_create: bool) -> None:
    """Refuse a SQLite file that is not there, or cannot be made where it is wanted.

    SQLite makes any file that it is asked for, so that a mistyped path would look like an empty registry.

    Args:
        uri: The store.
        may_create: The file may be made, in a folder that exists.

    Raises:
        RegistryError: There is no such file or folder.
    """
    file = sqlite_file(uri)
    if file is None or file.exists() or (may_create and file.parent.is_dir()):
        return
    if may_create:
        raise RegistryError(
            f"the folder {file.parent} does not exist",
            where=uri,
            cure="correct register.tracking_uri or MLFLOW_TRACKING_URI, or make the folder",
        )
    raise RegistryError(
        f"there is no registry at {file}",
        where=uri,
        cure="a recipe's `register` section makes one; another is named by MLFLOW_TRACKING_URI or --tracking-uri",
    )


def parse_version(uri: str) -> tuple[str, int | None, str]:
    """Return name, version and alias of a ``models:/`` URI; the one of the two that is not named is None or empty.

    Raises:
        RegistryError: It names no version.
    """
    rest = uri.removeprefix(SCHEME)
    name, slash, number = rest.partition("/")
    if slash and number.isdecimal():
        return name, int(number), ""
    name, at, alias = rest.partition("@")
    if at and alias and "/" not in rest:
        return name, None, alias
    raise RegistryError(f"{uri!r} names no version", cure="models:/NAME/3 or models:/NAME@ALIAS")
