"""A store in a temporary folder, and a short way to put rows into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from luthier.data.versions import encryption
from luthier.data.versions.read import StoredVersion
from luthier.data.versions.snapshot import Snapshot, Taken
from luthier.data.versions.store import Store
from luthier.data.versions.writer import SourceFile

from .s3_server import BUCKET, s3_server


def take(store: Store, rows: list[Any], name: str = "reviews", **options: Any) -> Taken:
    """Store rows as a version."""
    file = SourceFile(Path("rows.jsonl"), enumerate(rows, start=1))
    return Snapshot(**options).take(store.make_dataset(name), [file])


def rows_at(store: Store, ref: str | None = None, name: str = "reviews") -> list[Any]:
    """Return the rows of a version."""
    dataset = store.dataset(name)
    return [row for _, row in StoredVersion(dataset, dataset.resolve(ref)).rows()]


@pytest.fixture(autouse=True)
def no_key_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own key, keyring, store and name out of the tests."""
    for name in ("LUTHIER_DATA_KEY", "LUTHIER_DATA", "LUTHIER_PRINCIPAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(encryption, "_from_keyring", lambda: None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(str(tmp_path / "store"))


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, str]]:
    """Variables with which an S3-compatible server on loopback is found."""
    with s3_server() as variables:
        yield variables


@pytest.fixture
def bucket(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """URL of a new prefix in a bucket of that server."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}"
