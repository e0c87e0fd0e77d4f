"""Several processes at once, and processes that are killed: a store is whole at every moment."""

from datetime import UTC, datetime, timedelta

from luthier.data.versions.garbage import collect
from luthier.data.versions.store import Store
from luthier.data.versions.verify import faults

from .conftest import rows_at, take
from .processes import kill_while_writing, racing_writers


def test_racing_writers_lose_nothing_and_every_number_is_given_once(tmp_path):
    url = str(tmp_path / "store")
    numbers = racing_writers(url, writers=4, snapshots=15)  # more than one summary of the log
    assert sorted(numbers) == list(range(1, 61))
    store = Store(url)
    dataset = store.dataset("raced")
    assert list(faults(dataset)) == []
    state = dataset.state()
    assert len(state.tags) == 60
    for writer in range(4):
        row = rows_at(store, f"w{writer}-14", name="raced")[7]
        assert (row["writer"], row["snapshot"], row["row"]) == (writer, 14, 7)


def test_a_killed_snapshot_leaves_the_store_as_it_was(tmp_path):
    url = str(tmp_path / "store")
    store = Store(url)
    rows = [{"text": "before"}]
    take(store, rows, name="killed")
    outcomes = [
        kill_while_writing(url, seed=seed, after_seconds=seconds)
        for seed, seconds in enumerate((0.01, 0.1, 0.25, 0.4))
    ]
    assert not all(outcomes), "no process was killed in time: lengthen its work"
    dataset = store.dataset("killed")
    assert len(dataset.state().versions) == 1 + sum(outcomes)
    assert list(faults(dataset)) == []
    assert rows_at(store, "1", name="killed") == rows
    take(store, [{"text": "after"}], name="killed")
    assert rows_at(store, name="killed") == [{"text": "after"}]


def test_what_a_killed_snapshot_left_is_garbage_once_it_is_old(tmp_path, monkeypatch):
    url = str(tmp_path / "store")
    take(Store(url), [{"text": "before"}], name="killed")
    dataset = Store(url).dataset("killed")
    while not _leftovers(dataset):
        kill_while_writing(url, seed=9, after_seconds=0.4)
    assert collect(dataset).files == 0
    later = datetime.now(UTC) + timedelta(days=2)
    _set_clock(monkeypatch, later)
    assert collect(dataset).files > 0
    assert _leftovers(dataset) == 0
    assert rows_at(Store(url), name="killed") == [{"text": "before"}]


def _leftovers(dataset):
    state = dataset.state()
    needed = sum(1 + len(dataset.manifest(v).all_shards) for v in state.versions.values())
    return len(list(dataset.storage.files("objects"))) - needed


def _set_clock(monkeypatch, now):
    from luthier.data.versions import garbage

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return now

    monkeypatch.setattr(garbage, "datetime", Clock)
