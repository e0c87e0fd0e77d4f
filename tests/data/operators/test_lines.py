"""Work on rows done where the operators run: the same files, the same faults."""

import json

import pytest

from luthier.core.errors import DataError
from luthier.data.operators.batch import leave_out, rewrite_texts
from luthier.data.operators.execute import apply
from luthier.data.operators.files import open_batches, open_lines, render, write_batches
from luthier.data.operators.row_batch import ROW_BATCH
from luthier.data.pii.operator import PersonalData


def _shout(batch):
    batch = rewrite_texts(batch, "strip", lambda texts: [text.strip() for text in texts])
    return rewrite_texts(batch, "shout", lambda texts: [text.upper() for text in texts])


def _short(batch):
    return leave_out(batch, lambda rows: [("long", "too long") if len(row[0]) > 6 else None for row in rows])


_LINES = [
    b'{"text": "a", "n": 123456789012345678901234567890, "x":  1.50}',
    b' {"text": " b "}\r',
    b"",
    "\u3000\u2028".encode(),
    b'{"text": "longer text"}',
    b'{"text": "half \\ud800"}',
    b"[1]",
    b'{"text": 1}',
    b'{"text": "C", "n": NaN}',
    b'{"text": "\\u4f60"}',
]


@pytest.mark.parametrize("kind", ["jsonl", "json", "jsonl.gz"])
@pytest.mark.parametrize("num_processes", [1, 2])
def test_the_files_are_the_same(tmp_path, kind, num_processes):
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\n".join(_LINES))
    operators = [_short, _shout]
    plain = write_batches(apply(open_batches(source), operators), tmp_path / "plain" / f"out.{kind}")
    batches, first = open_lines(source)
    rendered = apply(batches, [*first, *operators, render], num_processes=num_processes)
    tally = write_batches(rendered, tmp_path / "rendered" / f"out.{kind}")
    assert tally == plain
    assert (tally.rows, tally.kept, tally.changes) == (8, 4, {"strip": 1, "shout": 2})
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("plain", "rendered"))
    if kind != "jsonl.gz":  # a compressed file holds the time
        assert one == two
    assert len(one) == len(two) == 3


@pytest.mark.parametrize("block_bytes", [1, 60, 1 << 20])
def test_rows_that_a_hint_passes_over_are_written_as_they_are(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr("luthier.data.jsonl._BLOCK_BYTES", block_bytes)
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + b"\n".join(_LINES) + b'\n{"text": "\\u0062", "x": [{"y": "b"}]}')
    batches, first = open_lines(source, ["**"], hint="b")
    tally = write_batches(apply(batches, [*first, _shout, render]), tmp_path / "out.jsonl")
    assert (tally.rows, tally.kept, tally.changes) == (9, 6, {"strip": 1, "shout": 3})
    assert tally.left_out == {"not_unicode": 1, "not_an_object": 1, "no_text": 1}
    lines = (tmp_path / "out.jsonl").read_bytes().split(b"\n")
    assert lines == [
        _LINES[0],
        b'{"text":"B"}',
        _LINES[4],
        _LINES[8],
        _LINES[9],
        b'{"text":"B","x":[{"y":"B"}]}',
        b"",
    ]
    rejected = [json.loads(line)["row"] for line in (tmp_path / "out.jsonl.rejected.jsonl").open()]
    assert rejected == [6, 7, 8]  # numbers of lines, blank ones counted


@pytest.mark.parametrize("hint", [None, "b"])
def test_rows_without_text_stay_where_none_is_needed(tmp_path, hint):
    source = tmp_path / "in.jsonl"
    source.write_text('{"n": 1}\n{}\n[1]\n{"text": " b", "n": [2]}\n{"(surplus fields)": [1]}\n')
    batches, first = open_lines(source, ["**"], hint=hint, needs_text=False)
    tally = write_batches(apply(batches, [*first, _shout, render]), tmp_path / "out.jsonl")
    assert (tally.kept, tally.changed, dict(tally.left_out)) == (
        3,
        1,
        {"not_an_object": 1, "surplus_fields": 1},
    )
    plain = write_batches(
        apply(open_batches(source, ["**"], needs_text=False), [_shout]), tmp_path / "o.jsonl"
    )
    assert plain == tally


def test_other_kinds_are_read_as_ever(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("text\na\n", encoding="utf-8")
    batches, first = open_lines(source)
    assert first == [] and list(batches) == list(open_batches(source))
    assert all(batch.schema == ROW_BATCH for batch in open_batches(source))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 151 is not valid JSON"),
        (b'{"text": "\xff"}', "byte 0xff at position 11 of line 151 is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
@pytest.mark.parametrize("num_processes", [1, 2])
def test_a_bad_line_is_named_wherever_it_is_found(tmp_path, line, message, num_processes):
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"text": "a"}\n' * 150 + line + b"\n")
    for batches, first in (open_lines(source), (open_batches(source), [])):
        with pytest.raises(DataError, match=message) as caught:
            write_batches(
                apply(batches, [*first, _shout, render], num_processes=num_processes), tmp_path / "out.jsonl"
            )
        assert (caught.value.where, caught.value.exit_code) == (str(source), 2)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("kind", ["jsonl", "json"])
@pytest.mark.parametrize(("levels", "is_read"), [(190, True), (210, False), (700, False), (1000, False)])
def test_rows_are_nested_as_deep_as_every_step_can_follow(tmp_path, kind, levels, is_read):
    """Python's stack ends at 1,000 calls; what reads a row must not leave the end to those who come after."""
    row = '{"text": " [[[\\"{ ", "a": ' + "[" * levels + '" x"' + "]" * levels + ', "n": 13812345678}'
    source = tmp_path / f"in.{kind}"
    source.write_text(row if kind == "jsonl" else f"[{row}]")
    operator = PersonalData("mask", numbers=("**",))

    def run():
        batches, first = open_lines(source, ["**"], needs_text=False)
        masked = (operator(batch) for batch in apply(batches, [*first, _shout]))
        return write_batches((render(batch) for batch in masked), tmp_path / "out.jsonl")

    if is_read:
        assert run().changes == {"strip": 2, "shout": 1, "personal_data": 1}
    else:
        with pytest.raises(DataError, match="nested too deeply"):
            run()


def test_fields_are_checked_before_any_work(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"body": "a"}), encoding="utf-8")
    with pytest.raises(DataError, match="its fields are body"):
        open_lines(source)
    with pytest.raises(DataError, match="no string stands at 'x'"):
        open_lines(source, ["x"])
