"""Files: what can be read is read whole, what cannot is refused with file, line and cure."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.core.errors import DataError
from luthier.data.sources import SURPLUS, read_entries, read_rows

ROWS = [{"text": "one"}, {"text": "zwei ü"}, {"text": "三 🙂"}]


def _jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _fault(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        list(read_rows(path))
    assert caught.value.where == str(path)
    return caught.value


class TestWhatIsRead:
    def test_json(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.json", json.dumps(ROWS).encode())
        assert list(read_rows(path)) == list(enumerate(ROWS, start=1))

    def test_json_below_the_key_data(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.json", json.dumps({"version": 1, "data": ROWS}).encode())
        assert [row for _, row in read_rows(path)] == ROWS

    def test_jsonl_numbers_are_line_numbers(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.jsonl", b'{"text": "one"}\n\n  \n{"text": "two"}')
        assert list(read_rows(path)) == [(1, {"text": "one"}), (4, {"text": "two"})]

    def test_windows_line_ends(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.jsonl", _jsonl(ROWS).replace(b"\n", b"\r\n"))
        assert [row for _, row in read_rows(path)] == ROWS

    def test_line_separator_inside_a_string_does_not_end_the_line(self, tmp_path: Path) -> None:
        rows = [{"text": "a\u2028b\u0085c\x0cd"}]
        assert [row for _, row in read_rows(_write(tmp_path / "a.jsonl", _jsonl(rows)))] == rows

    @pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt", "a.json"])
    def test_byte_order_mark_is_dropped(self, tmp_path: Path, name: str) -> None:
        content = {
            "a.jsonl": b'{"text": "x"}',
            "a.csv": b"text\nx\n",
            "a.txt": b"x\n",
            "a.json": b'[{"text":"x"}]',
        }
        path = _write(tmp_path / name, b"\xef\xbb\xbf" + content[name])
        assert list(read_rows(path)) == [(1, {"text": "x"})]

    @pytest.mark.parametrize("name", ["a.jsonl.gz", "A.JSONL.GZ", "data.v1.jsonl.gz"])
    def test_gzip(self, tmp_path: Path, name: str) -> None:
        path = _write(tmp_path / name, gzip.compress(_jsonl(ROWS)))
        assert [row for _, row in read_rows(path)] == ROWS

    def test_csv_with_quotes_commas_and_line_breaks(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.csv", 'instruction,output\n"a, ""b""","c\nd"\ne,ü\n'.encode())
        assert list(read_rows(path)) == [
            (1, {"instruction": 'a, "b"', "output": "c\nd"}),
            (2, {"instruction": "e", "output": "ü"}),
        ]

    def test_csv_keeps_a_field_of_a_megabyte(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.csv", b"text\n" + b"x" * 1_000_000 + b"\n")
        assert [len(row["text"]) for _, row in read_rows(path)] == [1_000_000]

    def test_tsv(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.tsv", b"prompt\tcompletion\na, b\tc\n")
        assert list(read_rows(path)) == [(1, {"prompt": "a, b", "completion": "c"})]

    def test_surplus_and_missing_fields_of_a_table_stay_visible(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.csv", b"a,b\n1,2,3,4\n5\n")
        assert list(read_rows(path)) == [
            (1, {"a": "1", "b": "2", SURPLUS: ["3", "4"]}),
            (2, {"a": "5", "b": None}),
        ]

    def test_parquet(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        rows = [{"text": f"row {number}"} for number in range(2500)]  # more than one batch
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        assert list(read_rows(path)) == list(enumerate(rows, start=1))

    def test_text_documents_are_divided_by_blank_lines(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.txt", b"\n\none\n  two\r\n\n \nthree\n")
        assert [row["text"] for _, row in read_rows(path)] == ["one\n  two", "three"]

    def test_rows_are_read_as_they_are_consumed(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.jsonl", b'{"text": "one"}\nbroken\n')
        assert next(read_rows(path)) == (1, {"text": "one"})

    @settings(max_examples=50, deadline=None)
    @given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
    def test_any_text_survives_jsonl_json_and_parquet(
        self, tmp_path_factory: pytest.TempPathFactory, texts: list[str]
    ) -> None:
        rows = [{"text": text} for text in texts]
        folder = tmp_path_factory.mktemp("any")
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "a.parquet")
        _write(folder / "a.jsonl", _jsonl(rows))
        _write(folder / "a.json", json.dumps(rows, ensure_ascii=False).encode())
        for name in ("a.parquet", "a.jsonl", "a.json"):
            assert [row for _, row in read_rows(folder / name)] == rows


class TestWhatIsRefused:
    def test_missing_file(self, tmp_path: Path) -> None:
        assert "no such file" in _fault(tmp_path / "a.jsonl").problem

    def test_folder(self, tmp_path: Path) -> None:
        assert "is a folder" in _fault(tmp_path).problem

    def test_empty_file(self, tmp_path: Path) -> None:
        assert "empty" in _fault(_write(tmp_path / "a.jsonl", b"")).problem

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.json", b"[]"),
            ("a.jsonl", b"\n\n"),
            ("a.csv", b"a,b\n"),
            ("a.txt", b" \n"),
            ("b.json", b'{"data": []}'),
        ],
    )
    def test_file_without_rows(self, tmp_path: Path, name: str, content: bytes) -> None:
        assert "no rows" in _fault(_write(tmp_path / name, content)).problem

    def test_parquet_and_gzip_without_rows(self, tmp_path: Path) -> None:
        pyarrow.parquet.write_table(
            pyarrow.table({"text": pyarrow.array([], pyarrow.string())}), tmp_path / "a.parquet"
        )
        assert "no rows" in _fault(tmp_path / "a.parquet").problem
        assert "no rows" in _fault(_write(tmp_path / "a.jsonl.gz", gzip.compress(b""))).problem

    @pytest.mark.parametrize("name", ["a.xlsx", "a", "a.gz", "a.parquet.gz", "jsonl"])
    def test_unknown_kind_names_the_known_ones(self, tmp_path: Path, name: str) -> None:
        fault = _fault(_write(tmp_path / name, b"x"))
        assert "not read" in fault.problem and ".jsonl" in str(fault.cure)

    @pytest.mark.parametrize(
        "broken", [b'{"text": "tw', b"{'text': 1}", b"{} {}", b"[" * 100_000, b"9" * 5000]
    )
    def test_broken_line_is_named(self, tmp_path: Path, broken: bytes) -> None:
        path = _write(tmp_path / "a.jsonl", b'{"text": "one"}\n\n' + broken + b'\n{"text": "two"}\n')
        assert "line 3" in _fault(path).problem

    def test_broken_json_names_line_and_character(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.json", b'[{"text": "one"},\n {"text" "two"}]')
        assert "line 2" in _fault(path).problem and "character 10" in _fault(path).problem

    @pytest.mark.parametrize("content", [b"[" * 100_000, b"[" + b"9" * 5000 + b"]"])
    def test_json_that_python_refuses(self, tmp_path: Path, content: bytes) -> None:
        assert _fault(_write(tmp_path / "a.json", content)).problem

    def test_lines_in_a_json_file_point_to_jsonl(self, tmp_path: Path) -> None:
        assert ".jsonl" in str(_fault(_write(tmp_path / "a.json", _jsonl(ROWS))).cure)

    @pytest.mark.parametrize("content", [b'{"rows": []}', b'"text"', b"3", b"null"])
    def test_json_that_is_no_list(self, tmp_path: Path, content: bytes) -> None:
        assert "list of rows" in _fault(_write(tmp_path / "a.json", content)).problem

    @pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
    def test_bytes_that_are_not_utf8(self, tmp_path: Path, name: str) -> None:
        first = b"{}" if name == "a.jsonl" else b"text"
        fault = _fault(_write(tmp_path / name, first + b"\nab\xe4c\n"))
        assert "0xe4 at position 3 of line 2" in fault.problem and "iconv" in str(fault.cure)

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
    def test_utf16(self, tmp_path: Path, encoding: str) -> None:
        marks = {"utf-16": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
        path = _write(tmp_path / "a.jsonl", marks[encoding] + '{"text": "one"}\n'.encode(encoding))
        assert "iconv -f UTF-16" in str(_fault(path).cure)

    @pytest.mark.parametrize("cut", [slice(0, 40), slice(3, None), slice(0, -4)])
    def test_damaged_gzip(self, tmp_path: Path, cut: slice) -> None:
        packed = gzip.compress(_jsonl([{"text": f"{n * 7919}"} for n in range(500)]))
        assert "damaged" in _fault(_write(tmp_path / "a.jsonl.gz", packed[cut])).problem

    def test_gzip_with_a_flipped_byte(self, tmp_path: Path) -> None:
        packed = bytearray(gzip.compress(_jsonl([{"text": f"{n * 7919}"} for n in range(500)])))
        packed[len(packed) // 2] ^= 0xFF
        _fault(_write(tmp_path / "a.jsonl.gz", bytes(packed)))

    def test_parquet_that_is_none(self, tmp_path: Path) -> None:
        assert "Parquet" in _fault(_write(tmp_path / "a.parquet", b"PAR1 no, it is not")).problem

    def test_parquet_whose_text_is_not_utf8(self, tmp_path: Path) -> None:
        text = pyarrow.array([b"a\xff"], pyarrow.binary()).view(pyarrow.string())
        pyarrow.parquet.write_table(pyarrow.table({"text": text}), tmp_path / "a.parquet")
        assert "Parquet" in _fault(tmp_path / "a.parquet").problem

    def test_unclosed_quote_in_a_table(self, tmp_path: Path) -> None:
        fault = _fault(_write(tmp_path / "a.csv", b'a,b\n1,2\n"3,4\n5,6\n'))
        assert "row 2" in fault.problem and "quotes" in str(fault.cure)

    def test_column_named_twice(self, tmp_path: Path) -> None:
        assert "'a' twice" in _fault(_write(tmp_path / "a.csv", b"a,b,a\n1,2,3\n")).problem


def test_a_table_begins_at_its_first_line_that_is_not_empty(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", b"\r\n\r\ntext,n\r\none,1\r\n")
    assert list(read_rows(path)) == [(1, {"text": "one", "n": "1"})]


def test_a_column_named_as_surplus_fields_are_is_refused(tmp_path: Path) -> None:
    assert SURPLUS in str(_fault(_write(tmp_path / "a.csv", f"text,{SURPLUS}\none,1\n".encode())))


def test_entries_of_jsonl_carry_the_bytes_that_were_read(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", b'  {"text":  "one", "n": 1.50}\n\n{"text": "two"}\n')
    assert [(number, raw) for number, _, raw in read_entries(path)] == [
        (1, b'{"text":  "one", "n": 1.50}'),
        (3, b'{"text": "two"}'),
    ]
    assert [raw for _, _, raw in read_entries(_write(tmp_path / "a.json", b'[{"text": "one"}]'))] == [None]
