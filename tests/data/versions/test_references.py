"""Rows that refer to files: each file is checked when a version is made, and again by `verify`."""

import hashlib
import json
import shutil
import struct
import zlib

import pytest

from luthier.core.errors import DataError
from luthier.data.sources import read_rows
from luthier.data.versions.diff import compare
from luthier.data.versions.read import StoredVersion
from luthier.data.versions.references import ReferenceReader
from luthier.data.versions.snapshot import Snapshot
from luthier.data.versions.verify import faults
from luthier.data.versions.writer import SourceFile

from .conftest import rows_at


def _png(shade):
    """Make a grey picture of one pixel."""
    chunks = [
        (b"IHDR", struct.pack(">2I5B", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes([0, shade]))),
    ]
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [*chunks, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def file(tmp_path):
    """Rows with pictures and structured labels, and the pictures."""
    (tmp_path / "images").mkdir()
    for shade in range(3):
        (tmp_path / "images" / f"图{shade}.png").write_bytes(_png(shade))
    box = {"label": "cat", "box": [0.5, 1.0, 2.0, 3.25], "by": ["ann", "bob"]}
    rows = [
        {"image": "images/图0.png", "labels": [box]},
        {"image": {"path": "images/图1.png", "bytes": len(_png(1))}, "labels": []},
        {"image": ["images/图2.png", "https://example.org/x.png"], "labels": [box, box]},
        {"image": None, "labels": None},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _take(store, file, fields=("image",)):
    reader = ReferenceReader(fields)
    taken = Snapshot(references=reader).take(
        store.make_dataset("reviews"), [SourceFile(file, read_rows(file))]
    )
    return taken, reader.counts


def test_files_are_recorded_with_hash_and_rows_keep_their_labels(store, file):
    taken, counts = _take(store, file)
    assert counts == {"files": 3, "urls": 1}
    assert rows_at(store) == [row for _, row in read_rows(file)]
    version = StoredVersion(store.dataset("reviews"), taken.version)
    first, *_, url = version.references()
    assert (first.row, first.field, first.place) == (1, "image", "images/图0.png")
    assert first.sha256 == hashlib.sha256(_png(0)).hexdigest()
    assert (url.place, url.sha256) == ("https://example.org/x.png", None)


def test_another_picture_under_the_same_name_is_another_version(store, file):
    first = _take(store, file)[0].version
    (file.parent / "images" / "图1.png").write_bytes(_png(9))
    second = _take(store, file)[0]
    assert second.is_new and second.new_shards == 0
    dataset = store.dataset("reviews")
    difference = compare(StoredVersion(dataset, first), StoredVersion(dataset, second.version))
    assert (difference.same, difference.references, difference.is_equal) == (4, 1, False)


def test_where_the_files_lie_does_not_count(store, file, tmp_path):
    first = _take(store, file)[0].version
    shutil.copytree(file.parent / "images", tmp_path / "moved" / "images")
    copy = shutil.copy(file, tmp_path / "moved" / "rows.jsonl")
    assert _take(store, tmp_path / "moved" / "rows.jsonl")[0].version.content == first.content, copy


def test_a_changed_or_missing_picture_is_found(store, file):
    _take(store, file)
    dataset = store.dataset("reviews")
    assert list(faults(dataset)) == []
    (file.parent / "images" / "图0.png").write_bytes(_png(7))
    (file.parent / "images" / "图2.png").unlink()
    found = list(faults(dataset))
    assert ["row 1, field image" in found[0], "row 3, field image" in found[1], len(found)] == [True, True, 2]
    assert "another content" in found[0] and "is missing" in found[1]
    assert list(faults(dataset, checks_references=False)) == []


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("absent.png", "there is no file"),
        ({"path": "rows.jsonl", "sha256": "00"}, "the row says otherwise"),
        (7, "names no file"),
    ],
)
def test_a_row_whose_file_is_not_what_it_says_is_refused(store, tmp_path, image, problem):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"image": image}))
    with pytest.raises(DataError, match=problem) as caught:
        _take(store, path)
    assert "row 1, field image" in str(caught.value)


def test_a_field_that_no_row_has_is_refused(store, file):
    with pytest.raises(DataError, match="no row has the field 'picture'"):
        _take(store, file, ("picture",))
