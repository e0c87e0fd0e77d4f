"""Plain files in, plain files out: every row is in exactly one of the files that come out."""

import json
import os
import signal

import pytest

from luthier.core.errors import DataError
from luthier.data.operators.batch import leave_out, rewrite_texts
from luthier.data.operators.execute import apply
from luthier.data.operators.files import open_batches, write_batches
from luthier.data.sources import read_rows


def _upper(batch):
    return rewrite_texts(batch, "upper", lambda texts: [text.upper() for text in texts])


def _no_b(batch):
    return leave_out(
        batch, lambda rows: [("has_b", "b") if any("b" in text for text in row) else None for row in rows]
    )


_ROWS = [{"text": f"{letter}{number}"} for number in range(30) for letter in "abC"]


def _write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet", "txt", "jsonl.gz", "csv.gz"])
def test_kept_changed_and_rejected_rows_are_all_there(tmp_path, kind):
    source = _write(tmp_path / "in.jsonl", _ROWS)
    output = tmp_path / f"out.{kind}"
    tally = write_batches(apply(open_batches(source), [_no_b, _upper]), output)
    assert [row["text"] for _, row in read_rows(output)] == [
        row["text"].upper() for row in _ROWS if "b" not in row["text"]
    ]
    rejected = [row for _, row in read_rows(tmp_path / f"out.{kind}.rejected.jsonl")]
    assert [row["raw"] for row in rejected] == [row for row in _ROWS if "b" in row["text"]]
    changes = [row for _, row in read_rows(tmp_path / f"out.{kind}.changes.jsonl")]
    assert changes[0] == {
        "source": str(source),
        "row": 1,
        "changes": [{"operator": "upper", "path": "/text", "before": "a0"}],
    }
    assert tally.as_json() == {
        "rows": 90,
        "kept": 60,
        "changed": 30,
        "left_out": {"has_b": 30},
        "changes": {"upper": 30},
    }


def test_processes_change_nothing(tmp_path):
    source = _write(tmp_path / "in.jsonl", [{"text": f"abc{n}"} for n in range(9000)])
    alone = list(apply(open_batches(source), [_upper]))
    spread = list(apply(open_batches(source), [_upper], num_processes=2))
    assert len(alone) == 5
    assert spread == alone


def test_what_an_earlier_run_left_is_removed(tmp_path):
    source = _write(tmp_path / "in.jsonl", _ROWS)
    write_batches(apply(open_batches(source), [_no_b]), tmp_path / "out.jsonl")
    write_batches(open_batches(source), tmp_path / "out.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_nothing_appears_when_a_row_fails(tmp_path):
    source = _write(tmp_path / "in.jsonl", [{"text": "a"}, {"text": "b", "more": 1}])
    with pytest.raises(DataError, match="'more'"):
        write_batches(open_batches(source), tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_unknown_fields_are_named(tmp_path):
    source = _write(tmp_path / "in.jsonl", [{"body": "a", "n": 1}])
    with pytest.raises(DataError, match=r"its fields are body, n"):
        open_batches(source)
    with pytest.raises(DataError, match=r"no string stands at 'n'"):
        open_batches(source, ["n"])
    assert [batch["texts"].to_pylist() for batch in open_batches(source, ["body"])] == [[["a"]]]


@pytest.mark.parametrize("place", ["file.jsonl/out.jsonl", "folder.jsonl", "/proc/out.jsonl"])
def test_a_place_where_nothing_can_be_written_is_said(tmp_path, place):
    source = _write(tmp_path / "file.jsonl", _ROWS)
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        write_batches(open_batches(source), tmp_path / place)


def _end_process(batch):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_is_said(tmp_path):
    source = _write(tmp_path / "in.jsonl", _ROWS)
    with pytest.raises(DataError, match="ended from outside"):
        write_batches(apply(open_batches(source), [_end_process], num_processes=2), tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
