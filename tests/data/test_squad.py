"""SQuAD files: a row per question, and what has another form is a row that names itself."""

from __future__ import annotations

import json
from pathlib import Path

from luthier.data.read import read_source
from luthier.data.sample import Sample
from luthier.data.sources import read_rows
from luthier.recipe.source_section import Source

QUESTION = {"id": "1", "question": "q", "answers": [{"text": "b", "answer_start": 2}]}
ARTICLE = {
    "title": "t",
    "paragraphs": [
        {"context": "a b", "qas": [QUESTION, {**QUESTION, "id": "2"}]},
        {"context": "c", "qas": []},
    ],
}


def test_each_question_is_a_row_with_context_and_title(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"version": "1.1", "data": [ARTICLE, ARTICLE]}))
    rows = list(read_rows(tmp_path / "a.json"))
    assert [number for number, _ in rows] == [1, 2, 3, 4]
    assert rows[1][1] == {"title": "t", "context": "a b", **QUESTION, "id": "2"}


def test_other_forms_are_left_out_one_by_one(tmp_path: Path) -> None:
    broken = {"title": "t", "paragraphs": [{"context": "a b", "qas": "none"}, 3, {"qas": [QUESTION, "q"]}]}
    (tmp_path / "a.json").write_text(json.dumps({"data": [ARTICLE, broken, {"title": "u"}, None]}))
    entries = list(read_source(Source(path="a.json"), tmp_path))
    assert [getattr(entry, "reason", "kept") for entry in entries] == [
        "kept", "kept", "missing_field", "not_an_object", "missing_field", "not_an_object", "missing_field",
        "not_an_object",
    ]  # fmt: skip
    assert all(isinstance(entry, Sample) for entry in entries[:2])


def test_articles_alone_without_a_version(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([ARTICLE]))
    assert len(list(read_rows(tmp_path / "a.json"))) == 2
