"""Hot and cold tiers: what nobody reads moves, and is read from where it is."""

from datetime import UTC, datetime, timedelta

import pytest

from luthier.core.errors import DataError
from luthier.data.versions import garbage, tiers
from luthier.data.versions.garbage import collect, forget
from luthier.data.versions.tags import set_tag
from luthier.data.versions.tiers import cool, warm
from luthier.data.versions.verify import faults

from .conftest import rows_at, take

_DAY = timedelta(days=1)


@pytest.fixture
def dataset(store):
    """Versions 1 to 4, of one row each; 2 is tagged."""
    for n in range(1, 5):
        take(store, [{"n": n}])
    set_tag(store.dataset("reviews"), "kept", "2")
    return store.dataset("reviews")


def _let_pass(monkeypatch, days):
    later = datetime.now(UTC) + timedelta(days=days)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return later

    for module in (tiers, garbage):
        monkeypatch.setattr(module, "datetime", Clock)


@pytest.fixture(params=["local", "s3"])
def tier(request, tmp_path):
    return str(tmp_path / "cold") if request.param == "local" else request.getfixturevalue("bucket")


def test_unused_versions_move_and_are_read_from_there(store, dataset, tier, monkeypatch):
    assert cool(dataset, tier, unused=30 * _DAY).files == 0
    _let_pass(monkeypatch, 31)
    assert cool(dataset, tier, unused=30 * _DAY, is_dry_run=True).versions == (1, 3)
    assert len(list(dataset.storage.files("objects"))) == 8
    assert cool(dataset, tier, unused=30 * _DAY).files == 2
    assert len(list(dataset.storage.files("objects"))) == 6  # manifests and two shards
    assert [rows_at(store, ref) for ref in "1234"] == [[{"n": n}] for n in (1, 2, 3, 4)]
    assert list(faults(dataset)) == []
    assert cool(dataset, tier, unused=30 * _DAY).files == 0


def test_reading_a_version_keeps_it_hot(store, dataset, tmp_path, monkeypatch):
    dataset.storage.write("used/1", (datetime.now(UTC) + 5 * _DAY).date().isoformat().encode())
    _let_pass(monkeypatch, 31)
    assert cool(dataset, str(tmp_path / "cold"), unused=30 * _DAY, is_dry_run=True).versions == (3,)


def test_reading_notes_the_day(store, dataset):
    rows_at(store, "3")
    assert dataset.storage.read("used/3").decode() == datetime.now(UTC).date().isoformat()


def test_files_that_a_hot_version_shares_stay(store, tmp_path, monkeypatch):
    rows = [{"n": n, "text": f"{n:040}" * 25} for n in range(20_000)]
    take(store, rows)
    second = take(store, [*rows, {"n": -1}])
    dataset = store.dataset("reviews")
    _let_pass(monkeypatch, 31)
    assert cool(dataset, str(tmp_path / "cold"), unused=30 * _DAY).files == second.new_shards == 1


def test_a_version_comes_back_and_its_cold_copy_is_garbage(store, dataset, tmp_path, monkeypatch):
    _let_pass(monkeypatch, 31)
    cool(dataset, str(tmp_path / "cold"), unused=30 * _DAY)
    assert warm(dataset, "1").files == 1
    assert collect(dataset).files == 1
    (left,) = (tmp_path / "cold").rglob("*.parquet")
    left.unlink()
    assert rows_at(store, "1") == [{"n": 1}]
    with pytest.raises(DataError, match=r"is gone[\s\S]*|cold tier"):
        rows_at(store, "3")


def test_a_forgotten_version_is_deleted_from_the_cold_tier(dataset, tmp_path, monkeypatch):
    _let_pass(monkeypatch, 31)
    cool(dataset, str(tmp_path / "cold"), unused=30 * _DAY)
    for ref in ("1", "3"):
        forget(dataset, ref)
    assert collect(dataset).files == 4  # two manifests, two cold shards
    assert list((tmp_path / "cold").rglob("*.parquet")) == []


def test_stores_that_share_a_tier_do_not_delete_each_others_files(tmp_path, monkeypatch):
    from luthier.data.versions.store import Store

    stores = [Store(str(tmp_path / name)) for name in ("one", "two")]
    for store in stores:
        for n in (1, 2):
            take(store, [{"n": n}])
    _let_pass(monkeypatch, 31)
    for store in stores:
        cool(store.dataset("reviews"), str(tmp_path / "cold"), unused=30 * _DAY)
    forget(stores[0].dataset("reviews"), "1")
    collect(stores[0].dataset("reviews"))
    assert rows_at(stores[1], "1") == [{"n": 1}]


def test_a_tier_whose_place_depends_on_the_folder_is_refused(dataset):
    with pytest.raises(DataError, match="is a relative path"):
        cool(dataset, "cold", unused=_DAY)
