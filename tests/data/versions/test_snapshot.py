"""Snapshots: a version per content, found by number, tag and time, sharing what did not change."""

import random

import pytest

from luthier.core.errors import DataError
from luthier.data.versions.store import Store

from .conftest import rows_at, take

_ROWS = [{"text": "很好", "label": "pos"}, {"text": "bad", "label": "neg"}]


def _many(count, seed=0):
    generator = random.Random(seed)
    return [{"id": n, "text": generator.randbytes(500).hex()} for n in range(count)]


def test_rows_are_read_back_by_number_tag_and_default(store):
    take(store, _ROWS, tag="first")
    take(store, _ROWS[:1])
    assert rows_at(store, "1") == rows_at(store, "first") == _ROWS
    assert rows_at(store) == rows_at(store, "2") == rows_at(store, "latest") == _ROWS[:1]


def test_the_same_rows_are_the_same_version(store):
    first = take(store, _ROWS)
    again = take(store, _ROWS)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.version == first.version
    assert store.dataset("reviews").state().entries == 1


def test_known_rows_become_the_latest_again_without_a_new_version(store):
    take(store, _ROWS)
    take(store, _ROWS[:1])
    back = take(store, _ROWS)
    assert (back.is_new, back.version.number, back.new_shards) == (False, 1, 0)
    assert rows_at(store) == _ROWS


def test_a_time_names_what_was_latest_then(store):
    take(store, _ROWS)
    between = take(store, _ROWS[:1]).version.time
    take(store, _ROWS[1:])
    assert rows_at(store, between) == _ROWS[:1]
    assert rows_at(store, between[:10]) == _ROWS[1:]  # a day means its end
    with pytest.raises(DataError, match="had no version at 2001-01-01"):
        rows_at(store, "2001-01-01")


@pytest.mark.parametrize(
    ("ref", "problem"),
    [("7", "there is no version 7"), ("frist", "did you mean first"), ("0", "there is no version 0")],
)
def test_what_names_no_version_is_refused(store, ref, problem):
    take(store, _ROWS, tag="first")
    with pytest.raises(DataError, match=problem):
        rows_at(store, ref)


def test_unknown_names_are_refused_with_the_nearest(store):
    with pytest.raises(DataError, match="there is no store here"):
        rows_at(store)
    take(store, _ROWS)
    with pytest.raises(DataError, match="did you mean reviews"):
        rows_at(store, name="review")
    with pytest.raises(DataError, match="cannot name a data set"):
        take(store, _ROWS, name="../outside")


def test_a_tag_moves_only_on_request(store):
    take(store, _ROWS, tag="gold")
    with pytest.raises(DataError, match="tag gold belongs to version 1"):
        take(store, _ROWS[:1], tag="gold")
    take(store, _ROWS[:1], tag="gold", moves_tag=True)
    assert rows_at(store, "gold") == _ROWS[:1]


@pytest.mark.parametrize("tag", ["latest", "12", "2027-01-31", "a b", ""])
def test_a_tag_that_could_be_taken_for_something_else_is_refused(store, tag):
    with pytest.raises(DataError, match="cannot be a tag"):
        take(store, _ROWS, tag=tag)


def test_no_rows_and_rows_that_cannot_be_stored_leave_nothing_behind(store):
    with pytest.raises(DataError, match="no rows to store"):
        take(store, [])
    with pytest.raises(DataError, match=r"row 2: a set cannot be stored"):
        take(store, [_ROWS[0], {"x": {1}}])
    assert store.names() == []


def test_a_changed_row_costs_one_shard_wherever_it_stands(store):
    rows = _many(30_000)  # some 30 MB of JSON
    first = take(store, rows)
    assert first.new_shards > 3
    inserted = take(store, [{"id": -1, "text": "new"}, *rows])
    changed = take(store, [*rows[:15_000], {"id": 15_000, "text": "other"}, *rows[15_001:]])
    assert (inserted.new_shards, changed.new_shards) == (1, 1)
    assert rows_at(store, "2")[1:] == rows_at(store, "1") == rows


def test_a_damaged_file_is_found_when_it_is_read(store, tmp_path):
    take(store, _ROWS)
    (shard,) = (tmp_path / "store" / "reviews" / "objects").glob("*.parquet")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match="is damaged"):
        rows_at(store)
    shard.unlink()
    with pytest.raises(DataError, match="is gone"):
        rows_at(store)


def test_a_store_of_another_format_is_refused(store, tmp_path):
    take(store, _ROWS)
    (tmp_path / "store" / "store.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="has format 99"):
        Store(str(tmp_path / "store")).names()
