"""Lineage: from a version back to the raw file, through what is noted beside files."""

import json
from pathlib import Path

import pytest

from luthier.core.errors import DataError
from luthier.core.hashing import hash_file
from luthier.data.sources import read_rows
from luthier.data.versions.export import export
from luthier.data.versions.garbage import forget
from luthier.data.versions.lineage import lineage
from luthier.data.versions.origin import Origin, made_from, note_origin, origin_of, with_parents
from luthier.data.versions.read import StoredVersion
from luthier.data.versions.snapshot import Snapshot
from luthier.data.versions.writer import SourceFile

from .conftest import take


def _write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _take_file(store, path, name, **options):
    origin = origin_of(path, hash_file(path))
    file = SourceFile(path, read_rows(path), with_parents(origin, store) if origin else None)
    return Snapshot(**options).take(store.make_dataset(name), [file]).version


def test_a_version_is_traced_to_the_raw_file_through_files_that_were_never_stored(store, tmp_path):
    raw = _write(tmp_path / "raw.jsonl", [{"n": n} for n in range(4)])
    _take_file(store, raw, "raw")
    half = _write(tmp_path / "half.jsonl", [{"n": n} for n in range(2)])
    note_origin(half, inputs=[raw], steps=[{"operator": "halve", "by": 2}], counts={"rows": 4, "kept": 2})
    one = _write(tmp_path / "one.jsonl", [{"n": 0}])
    note_origin(one, inputs=[half], steps=[{"operator": "first"}])
    _take_file(store, one, "final", message="done")
    found = lineage(store, "final")
    assert (found.name, found.rows, found.message) == ("final@1", 1, "done")
    (origin,) = found.origins
    assert [step["operator"] for step in origin["steps"]] == ["halve", "first"]
    assert origin["command"] and origin["code"].startswith("luthier ")
    (parent,) = found.parents
    assert (parent.name, parent.rows) == ("raw@1", 4)
    assert parent.files[0]["sha256"] == hash_file(raw)
    assert parent.parents == ()


def test_an_exported_version_is_the_parent_of_what_is_made_from_it(store, tmp_path):
    take(store, [{"n": 1}, {"n": 2}], name="raw")
    dataset = store.dataset("raw")
    plain = tmp_path / "plain.jsonl"
    assert export(StoredVersion(dataset, dataset.resolve()), plain) == 2
    assert [row for _, row in read_rows(plain)] == [{"n": 1}, {"n": 2}]
    made = _write(tmp_path / "made.jsonl", [{"n": 2}])
    note_origin(made, inputs=[plain])
    _take_file(store, made, "final")
    assert [parent.name for parent in lineage(store, "final").parents] == ["raw@1"]


def test_an_address_is_an_input(store):
    take(store, [{"n": 1}], name="raw")
    (parent,) = made_from([Path(f"dataset://raw@1?store={store.url}")]).parents
    assert str(parent) == "raw@1"


def test_a_file_that_was_edited_says_so(store, tmp_path):
    made = _write(tmp_path / "made.jsonl", [{"n": 2}])
    note_origin(made, steps=[{"operator": "x"}])
    assert not origin_of(made, hash_file(made)).is_edited
    _write(made, [{"n": 3}])
    assert origin_of(made, hash_file(made)).is_edited


def test_rejected_and_changed_rows_beside_a_file_give_the_counts(tmp_path):
    made = _write(tmp_path / "made.jsonl", [{"n": 2}])
    assert origin_of(made, hash_file(made)) is None
    _write(
        tmp_path / "made.jsonl.rejected.jsonl", [{"reason": "short"}, {"reason": "short"}, {"reason": "x"}]
    )
    _write(tmp_path / "made.jsonl.changes.jsonl", [{"changes": [{"operator": "upper"}] * 2}])
    assert origin_of(made, hash_file(made)).counts == {
        "left_out": {"short": 2, "x": 1},
        "changed": 1,
        "changes": {"upper": 2},
    }


def test_a_damaged_note_is_refused(tmp_path):
    made = _write(tmp_path / "made.jsonl", [{"n": 2}])
    (tmp_path / "made.jsonl.origin.json").write_text('{"sha256": 1, "surprise": 2}')
    with pytest.raises(DataError, match="is not a note of an origin"):
        origin_of(made, hash_file(made))


def test_an_ancestor_that_is_gone_is_named(store, tmp_path):
    raw = _write(tmp_path / "raw.jsonl", [{"n": 1}])
    _take_file(store, raw, "raw")
    made = _write(tmp_path / "made.jsonl", [{"n": 2}])
    note_origin(made, inputs=[raw])
    _take_file(store, made, "final")
    take(store, [{"n": 5}], name="raw")
    forget(store.dataset("raw"), "1")
    (parent,) = lineage(store, "final").parents
    assert parent.name == "raw@1" and "was forgotten" in parent.note


def test_the_same_rows_from_elsewhere_add_their_lineage(store, tmp_path):
    first = _take_file(store, _write(tmp_path / "a.jsonl", [{"n": 1}]), "raw")
    second = _take_file(store, _write(tmp_path / "b.jsonl", [{"n": 1}]), "raw")
    assert (second.number, len(second.files)) == (first.number, 1)
    (tmp_path / "c.json").write_text('[{"n": 1}]')
    third = _take_file(store, tmp_path / "c.json", "raw")
    assert (third.number, len(third.files)) == (first.number, 2)
    assert [file["path"].rsplit("/", 1)[1] for file in lineage(store, "raw").files] == ["a.jsonl", "c.json"]


def test_an_origin_comes_back_as_it_was():
    origin = Origin(inputs=("a",), steps=({"operator": "x"},), counts={"rows": 1})
    assert Origin.from_json(json.loads(json.dumps(origin.to_json()))) == origin
