"""Projects: made whole or not at all; ratings taken in once, all or none, with every fault named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.data.annotation.correct import correct_file, correct_project, right_labels
from luthier.data.annotation.corrections import CorrectionLog
from luthier.data.annotation.intake import take_in
from luthier.data.annotation.items import Gold, Item, Prelabel, Rating
from luthier.data.annotation.labelled import labelled_rows, project_rows
from luthier.data.annotation.project import GUIDELINES_FILE, Project, create_project, rows_of_file
from luthier.data.annotation.settings import Settings

ROWS = [("1", {"text": "hello"}), ("2", {"text": "你好"}), ("3", {"text": "hm"})]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_project(tmp_path / "project", Settings(("a", "b", "c")), ROWS)
    return tmp_path / "project"


def test_a_new_project(folder: Path) -> None:
    project = Project(folder)
    assert project.settings == Settings(("a", "b", "c"))
    assert [(item.id, item.data) for item in project.items()] == ROWS
    guidelines = (folder / GUIDELINES_FILE).read_text()
    assert all(f"## {label}\n" in guidelines for label in "abc")
    with pytest.raises(DataError, match="already exists and is not empty"):
        create_project(folder, project.settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(("a",)), "1 label; two at least"),
        (Settings(("a", "a")), "named twice"),
        (Settings(("a", " b")), "spaces around"),
        (Settings(("a", "b"), scale="interval"), "no number"),
        (Settings(("a", "b"), question="text"), "both the question and the text field"),
        (Settings(("a", "b"), scale="metric"), "'metric' is not known"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_no_project_can_have(tmp_path: Path, settings: Settings, message: str) -> None:
    with pytest.raises(DataError, match=message):
        create_project(tmp_path / "p", settings)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("1", {"text": "a"}), ("1", {"text": "b"})], "'1' comes twice"),
        ([("1", {"text": " "})], "no text"),
        ([("1", {"words": "a"})], "'text' is missing"),
        ([("", {"text": "a"})], "id is empty"),
    ],
)
def test_rows_that_nobody_can_read(tmp_path: Path, rows: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        create_project(tmp_path / "p", Settings(("a", "b")), rows)
    assert not (tmp_path / "p").exists()


def test_rows_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,text\nx,a\ny,b\n")
    assert list(rows_of_file(path)) == [("x", {"text": "a"}), ("y", {"text": "b"})]
    assert next(iter(rows_of_file(path, "text")))[0] == "a"
    path.write_text("text\na\n")
    assert list(rows_of_file(path)) == [("1", {"text": "a"})]
    with pytest.raises(DataError, match="no id in the field 'key'"):
        list(rows_of_file(path, "key"))


def rated(row: str, label: str | None, rater: str = "ann", at: str | None = None, **more: Any) -> Item:
    return Item(row, dict(ROWS)[row], (Rating(rater, label, at),), where=f"file, row {row}", **more)


def test_taking_in_twice_changes_nothing(folder: Path) -> None:
    items = [
        rated("1", "a", gold=Gold("a", "lead")),
        rated("2", None, prelabels=(Prelabel("b", 0.5, "m"),)),
        rated("3", "c", counts={"c": 2, "a": 1}),
    ]
    first = take_in(folder, items, source="file")
    assert first == {"ratings added": 3, "gold added": 1, "pre-labels added": 1, "counts added": 1}
    stored = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = take_in(folder, items, source="file")
    assert again == {"ratings known": 3, "gold known": 1, "pre-labels known": 1, "counts known": 1}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == stored
    read = list(Project(folder).items())
    assert [item.ratings[0].label for item in read] == ["a", None, "c"]
    assert read[0].gold and (read[0].gold.label, read[0].gold.by) == ("a", "lead")
    assert read[1].prelabels[0].score == 0.5 and read[2].counts == {"c": 2, "a": 1}


def test_the_newest_rating_counts_and_the_old_one_stays(folder: Path) -> None:
    early, late = "2026-01-01T00:00:00.000000+00:00", "2026-01-02T00:00:00.000000+00:00"
    take_in(folder, [rated("1", "a", at=late)], source="file")
    assert take_in(folder, [rated("1", "b", at=early)], source="old") == {
        "ratings older than the known one": 1
    }
    assert take_in(folder, [rated("1", "b")], source="file") == {"ratings changed": 1}
    project = Project(folder)
    assert next(project.items()).ratings[0].label == "b"
    assert [record["label"] for record in project.ratings] == ["a", "b"]


def test_ratings_remember_their_guidelines(folder: Path) -> None:
    take_in(folder, [rated("1", "a")], source="file")
    assert Project(folder).num_outdated == 0
    (folder / GUIDELINES_FILE).write_text("New rules.")
    assert Project(folder).num_outdated == 1


def test_all_faults_are_named_and_nothing_is_stored(folder: Path) -> None:
    items = [
        rated("1", "a"),
        rated("2", "x"),
        replace(rated("3", "a"), data={"text": "another"}),
        replace(rated("3", "a"), id="9", where="file, row 9"),
        rated("1", "b"),
    ]
    with pytest.raises(DataError) as raised:
        take_in(folder, items, source="file")
    text = str(raised.value)
    assert "4 rows do not fit the project; nothing was stored" in text
    assert "file, row 2, rater ann, field label: 'x' is not a label" in text
    assert "'another'" in text and "no row '9'" in text and "comes twice" in text
    assert Project(folder).ratings == []
    with pytest.raises(DataError, match="no row '9'"):
        take_in(folder, items[3:4], source="file")
    assert take_in(folder, items[3:4], source="file", adds_rows=True)["rows added"] == 1
    assert "9" in Project(folder).rows


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        (
            "ratings.jsonl",
            {"row": "1", "rater": "ann", "at": "t", "guidelines": "x"},
            "neither a rater's label",
        ),
        (
            "ratings.jsonl",
            {"row": "1", "rater": None, "at": "t", "guidelines": "x"},
            "neither a rater's label",
        ),
        ("ratings.jsonl", {"row": "1", "rater": 3, "label": "a", "at": "t", "guidelines": "x"}, "holds 3"),
        (
            "ratings.jsonl",
            {"row": "7", "rater": "a", "label": "a", "at": "", "guidelines": ""},
            "names row '7'",
        ),
        ("gold.jsonl", {"row": "1", "label": "x", "by": None, "at": "t"}, "'x' is not a label"),
        (
            "prelabels.jsonl",
            {"row": "1", "label": "a", "score": "high", "model": "m", "at": "t"},
            "holds 'high'",
        ),
        ("rows.jsonl", {"id": 3, "data": {}}, "holds no row"),
        ("annotation.json", {"format": 1}, "damaged"),
        ("annotation.json", {"format": 9}, "another version"),
    ],
)
def test_damage_is_named(folder: Path, name: str, line: dict[str, Any], message: str) -> None:
    mode = "w" if name.endswith(".json") else "a"
    with (folder / name).open(mode) as file:
        file.write(json.dumps(line) + "\n")
    with pytest.raises(DataError, match=message) as raised:
        Project(folder)
    assert name in str(raised.value)


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not an annotation project[\s\S]*annotate init"):
        Project(tmp_path)
    with pytest.raises(DataError, match="is not an annotation project"):
        take_in(tmp_path, [], source="file")
    assert list(tmp_path.iterdir()) == []


def test_corrections_of_a_project(folder: Path) -> None:
    take_in(folder, [rated("1", "a", gold=Gold("a")), rated("2", "b")], source="file")
    right = {"1": "b", "2": "b", "3": "c"}
    added = correct_project(Project(folder), right, by="lead", reason="guidelines 2.1")
    assert [(e.row, e.before, e.after) for e in added] == [("1", "a", "b"), ("3", None, "c")]
    assert [(row.id, row.label) for row in project_rows(Project(folder)).rows] == [
        ("1", "b"),
        ("2", "b"),
        ("3", "c"),
    ]
    assert correct_project(Project(folder), right, by="lead", reason="again") == []
    for wrong, message in (({"1": "x"}, "not a label"), ({"7": "a"}, "no row '7'")):
        with pytest.raises(DataError, match=message):
            correct_project(Project(folder), wrong, by="lead", reason="")
    assert Project(folder).corrections.verify() == 2


def test_corrections_of_a_file(tmp_path: Path) -> None:
    path, output, log = tmp_path / "rows.csv", tmp_path / "right.csv", CorrectionLog(tmp_path / "log.jsonl")
    path.write_text("text,label\n你好,a\nb,b\nc,b\n")
    checked = tmp_path / "checked.csv"
    checked.write_text("id,label,correct_label\n1,a,b\n2,b,\n3,b,b\n")
    right = right_labels(checked)
    assert right == {"1": "b", "3": "b"}

    def correct(right: dict[str, str], **options: Any) -> list[Any]:
        arguments = {"label_field": "label", "by": "ann", "reason": "checked"} | options
        return correct_file(path, output, right, log, **arguments)

    assert [(e.row, e.before, e.after) for e in correct(right)] == [("1", "a", "b")]
    assert output.read_text() == path.read_text().replace("你好,a", "你好,b")
    assert correct(right) == [] and log.verify() == 1
    before = output.read_bytes()
    for wrong, options, message in (
        ({"4": "a"}, {}, "no row 4"),
        ({"1": "x"}, {}, r"'x' is not a label[\s\S]*--label"),
        ({"1": "b"}, {"label_field": "class"}, "no field 'class'"),
    ):
        with pytest.raises(DataError, match=message):
            correct(wrong, **options)
    assert output.read_bytes() == before and log.verify() == 1
    assert correct({"2": "x"}, labels=["x"])[0].after == "x"
    checked.write_text("id,label,correct_label\n1,a,b\n1,a,c\n")
    with pytest.raises(DataError, match="row '1' is 'b' above and 'c' here"):
        right_labels(checked)


def test_labelled_rows(tmp_path: Path, folder: Path, make_items: Callable[..., list[Item]]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"t": "a", "c": 1}\n{"t": "b", "c": null}\n{"t": "c", "c": "x"}\n')
    found = labelled_rows(path, text_field="t", label_field="c")
    assert [(row.id, row.text, row.label) for row in found.rows] == [("1", "a", "1"), ("3", "c", "x")]
    assert found.num_without == 1
    with pytest.raises(
        DataError, match=r"row 1: there is no field 'text'[\s\S]*--text-field; the row has: t, c"
    ):
        labelled_rows(path)
    path.write_text('{"text": "a", "label": ["x", "y"]}\n')
    with pytest.raises(DataError, match="row 1, field label: holds"):
        labelled_rows(path)
    path.write_text('{"text": " ", "label": "x"}\n')
    with pytest.raises(DataError, match="no text"):
        labelled_rows(path)
    with pytest.raises(DataError, match="no row has a label"):
        labelled_rows(folder)
    with pytest.raises(DataError, match="a project names its own fields"):
        labelled_rows(folder, text_field="text")
