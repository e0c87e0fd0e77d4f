"""A store in a bucket does what a store in a folder does."""

import pytest

from luthier.core.errors import DataError
from luthier.data.versions.address import content_of, open_version
from luthier.data.versions.diff import compare
from luthier.data.versions.read import StoredVersion
from luthier.data.versions.rollback import roll_back
from luthier.data.versions.store import Store
from luthier.data.versions.verify import faults

from .conftest import rows_at, take
from .processes import racing_writers

_ROWS = [{"text": f"第{n}行", "n": n} for n in range(50)]


def test_versions_in_a_bucket(bucket):
    store = Store(bucket)
    with pytest.raises(DataError, match="there is no store here"):
        store.names()
    take(store, _ROWS, tag="first")
    second = take(store, _ROWS[1:])
    dataset = store.dataset("reviews")
    versions = [StoredVersion(dataset, dataset.resolve(ref)) for ref in ("first", "2")]
    assert compare(*versions).removed == 1
    roll_back(dataset)
    assert rows_at(store) == rows_at(store, "1") == _ROWS
    assert rows_at(store, "2") == _ROWS[1:]
    assert list(faults(dataset)) == []
    address = f"dataset://reviews@2?store={bucket}"
    assert [row for _, row in open_version(address)] == _ROWS[1:]
    assert content_of(address) == second.version.content


def test_writers_in_several_processes_lose_nothing(bucket):
    numbers = racing_writers(bucket, writers=3, snapshots=4)
    store = Store(bucket)
    assert sorted(numbers) == list(range(1, 13))
    assert list(faults(store.dataset("raced"))) == []


def test_a_server_that_ignores_conditions_is_refused(bucket, monkeypatch):
    from luthier.data.versions.object_storage import ObjectStorage

    def create(self, name, data):
        self.write(name, data)
        return True

    monkeypatch.setattr(ObjectStorage, "create", create)
    with pytest.raises(DataError, match="ignores conditional writes"):
        take(Store(bucket), _ROWS)
