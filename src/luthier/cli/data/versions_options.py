"""What the commands of `luthier data versions` share: store, principal, names and sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from luthier.data.versions.dataset import DataSet
    from luthier.data.versions.read import StoredVersion
    from luthier.data.versions.store import Store

_store = click.option(
    "--store", metavar="URL", help="Folder or URL of the store.  [default: $LUTHIER_DATA, else data-store]"
)
_principal = click.option(
    "--as",
    "principal",
    metavar="PRINCIPAL",
    help="Who asks, where rights were granted.  [default: $LUTHIER_PRINCIPAL]",
)
name_argument = click.argument("name")
address_argument = click.argument("address")


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which store, and who asks."""
    return _store(_principal(command))


def open_store(store: str | None, principal: str | None) -> Store:
    """Return the store that the options name."""
    from luthier.data.versions.store import Store

    return Store(store, principal=principal)


def open_dataset(name: str, store: str | None, principal: str | None) -> DataSet:
    """Return the data set that an argument names."""
    return open_store(store, principal).dataset(name)


def dataset_and_ref(address: str, store: str | None, principal: str | None) -> tuple[DataSet, str | None]:
    """Return the data set of an address, and which version it names."""
    from luthier.data.versions.address import Address

    parsed = Address.parse(address)
    return open_dataset(parsed.name, store or parsed.store, principal), parsed.ref


def open_version(address: str, store: str | None, principal: str | None) -> StoredVersion:
    """Return the version at an address."""
    from luthier.data.versions.address import find_version

    return find_version(address, store=store, principal=principal)


def size(num_bytes: int) -> str:
    """Return a size for people."""
    number = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def moment(time: str) -> str:
    """Return a time of the log for people: to the second, in UTC."""
    return time[:19].replace("T", " ")
