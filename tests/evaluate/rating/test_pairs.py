"""Pairs come from reports and files; what is missing is told with its row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.evaluate.rating.pairs import Pair, read_pairs

GENERATION = {"row": "r.json, row 1", "prompt": "Q?", "reference": "R", "base": "b", "tuned": "t"}


def _report(path: Path, generations: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"generations": generations}), encoding="utf-8")
    return path


def _rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["report.json", "report/report.json"])
def test_of_a_report_by_file_and_by_folder(tmp_path: Path, name: str) -> None:
    path = _report(tmp_path / name, [GENERATION])
    pair = Pair("r.json, row 1", "Q?", "R", "b", "t")
    assert read_pairs([path]) == read_pairs([tmp_path]) == [pair]


def test_of_two_files(tmp_path: Path) -> None:
    base = _rows(tmp_path / "b.jsonl", [{"prompt": "Q1", "answer": "b1"}, {"prompt": "Q2", "answer": "b2"}])
    tuned = _rows(
        tmp_path / "t.jsonl",
        [{"prompt": "Q1", "answer": "t1", "reference": "r1"}, {"prompt": "Q2", "answer": "t2"}],
    )
    found = [(p.prompt, p.reference, p.base, p.tuned) for p in read_pairs([base, tuned])]
    assert found == [("Q1", "r1", "b1", "t1"), ("Q2", None, "b2", "t2")]


@pytest.mark.parametrize(
    ("generations", "told"),
    [
        ([], "no answers"),
        ([{**GENERATION, "base": None}], "generation 1: there is no answer of a base"),
        ([GENERATION, {**GENERATION, "tuned": 5}], "generation 2: field 'tuned' is int"),
        (["x"], "generation 1: an object is expected"),
    ],
)
def test_reports_without_pairs(tmp_path: Path, generations: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_pairs([_report(tmp_path / "report.json", generations)])


@pytest.mark.parametrize(
    ("base", "tuned", "told"),
    [
        ([{"prompt": "Q", "answer": "a"}], [{"prompt": "Q", "answer": "a"}] * 2, "1 rows, and 2 in"),
        ([{"prompt": "Q", "answer": "a"}], [{"prompt": "P", "answer": "a"}], "row 1: its prompt is another"),
        ([{"prompt": "Q"}], [{"prompt": "Q", "answer": "a"}], "b.jsonl, row 1: field 'answer' is missing"),
    ],
)
def test_files_that_do_not_match(tmp_path: Path, base: list[Any], tuned: list[Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_pairs([_rows(tmp_path / "b.jsonl", base), _rows(tmp_path / "t.jsonl", tuned)])


def test_one_file_of_answers_and_no_report(tmp_path: Path) -> None:
    alone = _rows(tmp_path / "b.jsonl", [{"prompt": "Q", "answer": "a"}])
    with pytest.raises(DataError, match="nothing to be compared with"):
        read_pairs([alone])
    with pytest.raises(DataError, match="there is no report"):
        read_pairs([tmp_path / "nowhere"])
