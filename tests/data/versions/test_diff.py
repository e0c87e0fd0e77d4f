"""Differences: rows added, removed and changed are told by content or by key."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.versions.diff import compare
from luthier.data.versions.read import StoredVersion
from luthier.data.versions.store import Store

from .conftest import take

_ROWS = [{"id": n, "text": f"row {n} says something", "label": n % 2} for n in range(20)]


def _compare(store, before, after, **options):
    dataset = store.make_dataset("reviews")
    versions = [StoredVersion(dataset, take(store, rows).version) for rows in (before, after)]
    return compare(*versions, **options)


def _counts(difference):
    return difference.added, difference.removed, difference.changed, difference.same


@pytest.mark.parametrize("key", [(), ("id",)])
def test_added_removed_and_changed_rows_are_counted(store, key):
    after = [row for row in _ROWS if row["id"] != 4] + [{"id": 99, "text": "新的", "label": 1}]
    after[10] = after[10] | {"label": 7}
    difference = _compare(store, _ROWS, after, key=key)
    assert _counts(difference) == (1, 1, 1, 18)
    assert difference.changed_fields == {"label": 1}
    assert difference.examples["removed"] == [{"row": 5, "content": _ROWS[4]}]
    assert difference.examples["added"] == [{"row": 20, "content": after[-1]}]
    assert not difference.is_reordered


def test_a_key_tells_rows_that_moved_and_changed(store):
    after = [{**row, "text": row["text"].upper()} for row in reversed(_ROWS)]
    difference = _compare(store, _ROWS, after, key=("id",))
    assert _counts(difference) == (0, 0, 20, 0)
    assert difference.is_reordered


@pytest.mark.parametrize(
    ("rows", "problem"), [(_ROWS + _ROWS[:1], "the same id=0"), ([{"a": 1}], "no field 'id'")]
)
def test_a_key_that_identifies_no_row_is_refused(store, rows, problem):
    with pytest.raises(DataError, match=problem):
        _compare(store, _ROWS, rows, key=("id",))
    with pytest.raises(DataError, match=problem):
        _compare(store, rows, _ROWS, key=("id",))


def test_another_order_is_a_difference(store):
    difference = _compare(store, _ROWS, _ROWS[::-1])
    assert _counts(difference) == (0, 0, 0, 20)
    assert difference.is_reordered and not difference.is_equal


def test_fields_that_came_went_and_changed_type_are_named(store):
    after = [{"text": row["text"], "label": str(row["label"]), "lang": "en"} for row in _ROWS]
    difference = _compare(store, _ROWS, after)
    assert difference.schema == {
        "id": ("int64", None),
        "label": ("int64", "string"),
        "lang": (None, "string"),
    }


_few = st.lists(st.sampled_from("abcd"), min_size=1, max_size=8)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=_few, after=_few)
def test_counts_add_up_as_multisets(tmp_path_factory, before, after):
    store = Store(str(tmp_path_factory.mktemp("s")))
    difference = _compare(store, [{"x": x} for x in before], [{"x": x} for x in after])
    assert difference.same == (Counter(before) & Counter(after)).total()
    assert difference.added + difference.changed == len(after) - difference.same
    assert difference.removed + difference.changed == len(before) - difference.same
    assert difference.is_equal == (before == after)
