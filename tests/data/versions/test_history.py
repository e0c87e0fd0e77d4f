"""Rolling back, forgetting, tags: the log tells all, and versions stay readable until they are forgotten."""

from datetime import UTC, datetime, timedelta

import pytest

from luthier.core.errors import DataError
from luthier.data.versions import garbage
from luthier.data.versions.garbage import collect, forget
from luthier.data.versions.rollback import roll_back
from luthier.data.versions.tags import remove_tag, set_tag
from luthier.data.versions.verify import faults

from .conftest import rows_at, take


@pytest.fixture
def dataset(store):
    """Versions 1 to 5, of one row each."""
    for n in range(1, 6):
        take(store, [{"n": n}])
    return store.dataset("reviews")


@pytest.fixture
def in_two_days(monkeypatch):
    """Let garbage collection think that two days have gone by."""
    later = datetime.now(UTC) + timedelta(days=2)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return later

    monkeypatch.setattr(garbage, "datetime", Clock)


def test_rolling_back_moves_the_latest_and_keeps_the_later(store, dataset):
    assert roll_back(dataset).number == 4
    assert roll_back(dataset, "2", message="labels were wrong").number == 2
    assert rows_at(store) == [{"n": 2}]
    assert rows_at(store, "5") == [{"n": 5}]
    assert roll_back(dataset).number == 1
    with pytest.raises(DataError, match="no version before the latest"):
        roll_back(dataset)
    assert roll_back(dataset, "5").number == 5
    assert [entry.get("message") for entry in dataset.log.entries()][-3] == "labels were wrong"


def test_a_new_version_after_a_rollback_takes_a_new_number(store, dataset):
    roll_back(dataset, "2")
    assert take(store, [{"n": 6}]).version.number == 6
    assert roll_back(dataset).number == 2


def test_rolling_back_to_the_latest_writes_nothing(dataset):
    entries = dataset.state().entries
    roll_back(dataset, "5")
    assert dataset.state().entries == entries


def test_tags_are_given_moved_and_taken_away(store, dataset):
    assert set_tag(dataset, "good", "2").number == 2
    with pytest.raises(DataError, match="belongs to version 2"):
        set_tag(dataset, "good", "3")
    assert set_tag(dataset, "good", "3", may_move=True).number == 3
    assert rows_at(store, "good") == [{"n": 3}]
    remove_tag(dataset, "good")
    with pytest.raises(DataError, match="there is no tag good"):
        remove_tag(dataset, "good")


def test_the_latest_and_tagged_versions_are_not_forgotten(dataset):
    set_tag(dataset, "good", "2")
    with pytest.raises(DataError, match="has the tag good"):
        forget(dataset, "2")
    with pytest.raises(DataError, match="is the latest"):
        forget(dataset, "5")
    assert forget(dataset, "3") == 3
    with pytest.raises(DataError, match="version 3 was forgotten"):
        dataset.resolve("3")


def test_collecting_keeps_the_newest_the_latest_and_the_tagged(store, dataset, in_two_days):
    set_tag(dataset, "good", "1")
    roll_back(dataset, "2")
    told = collect(dataset, keep=2, is_dry_run=True)
    assert (told.forgotten, told.files) == ((3,), 2)
    assert len(list(dataset.storage.files("objects"))) == 10
    assert collect(dataset, keep=2) == told
    assert [rows_at(store, ref) for ref in ("good", "2", "4", "5")] == [[{"n": n}] for n in (1, 2, 4, 5)]
    assert list(faults(dataset)) == []
    assert len(list(dataset.storage.files("objects"))) == 8
    assert collect(dataset, keep=2).files == 0


def test_a_number_is_never_given_twice(store, dataset, in_two_days):
    roll_back(dataset, "1")
    forget(dataset, "5")
    collect(dataset)
    assert take(store, [{"n": 5}]).version.number == 6


def test_files_younger_than_the_grace_stay(dataset):
    forget(dataset, "1")
    done = collect(dataset)
    assert (done.files, done.waiting) == (0, 2)
    with pytest.raises(DataError, match="snapshots that are being taken"):
        collect(dataset, grace=timedelta(minutes=5))


def test_a_snapshot_whose_reused_files_were_forgotten_meanwhile_is_refused(store):
    from luthier.data.versions.snapshot import Snapshot
    from luthier.data.versions.writer import SourceFile

    rows = [{"n": n, "text": f"{n:040}" * 25} for n in range(20_000)]  # several files
    take(store, rows)
    take(store, [{"n": 0}])
    dataset = store.dataset("reviews")

    def rows_while_another_forgets():
        yield from enumerate([{"n": -1}, *rows], start=1)
        forget(dataset, "1")

    from pathlib import Path

    with pytest.raises(DataError, match="deleted while it was taken: version 1"):
        Snapshot().take(dataset, [SourceFile(Path("x"), rows_while_another_forgets())])


def test_the_summary_of_the_log_says_what_its_entries_say(store, tmp_path):
    for n in range(1, 111):
        take(store, [{"n": n % 60}], tag=f"t{n}")
    dataset = store.dataset("reviews")
    names = [path.name for path in (tmp_path / "store" / "reviews" / "log").iterdir()]
    assert {"00000050.state.json", "00000100.state.json"} <= set(names)
    assert dataset.log.state() == dataset.log.state_from_entries()
    (tmp_path / "store" / "reviews" / "log" / "00000100.state.json").write_text("{")
    assert dataset.log.state() == dataset.log.state_from_entries()


def test_a_log_with_a_gap_or_a_foreign_entry_is_refused(store, dataset, tmp_path):
    log = tmp_path / "store" / "reviews" / "log"
    (log / "00000005.json").write_bytes((log / "00000004.json").read_bytes())
    with pytest.raises(DataError, match="entry 5 is another than its name says"):
        dataset.state()
    (log / "00000003.json").unlink()
    with pytest.raises(DataError, match="log entry 3 is missing"):
        dataset.state()


def test_a_commit_whose_answer_was_lost_counts_once(store, dataset, monkeypatch):
    """A client that gets no answer asks again, and is then refused by its own success."""
    from luthier.data.versions.local_storage import LocalStorage

    create = LocalStorage.create

    def create_and_lose_the_answer(self, name, data):
        create(self, name, data)
        return False

    monkeypatch.setattr(LocalStorage, "create", create_and_lose_the_answer)
    set_tag(dataset, "good", "2")
    monkeypatch.undo()
    assert [entry["action"] for entry in dataset.log.entries()].count("tag") == 1
    assert rows_at(store, "good") == [{"n": 2}]
