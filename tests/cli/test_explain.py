"""`luthier explain`: texts and files of a tiny classifier, the page, and what is told of bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_job import Done, luthier, write_recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that tells ``red`` from ``blue``."""
    folder = tmp_path_factory.mktemp("explain")
    rows = [
        {"text": f"the {colour} {animal} {number}", "label": label}
        for colour, label in (("red", "first"), ("blue", "last"))
        for animal in ("fox", "dog", "cow")
        for number in range(8)
    ]
    write_lines(folder / "labelled.jsonl", rows)
    recipe = write_recipe(
        folder, objective={"name": "classification"}, method={"name": "full"}, evaluate={"bootstrap_samples": 50},
        data={"train": [{"path": "labelled.jsonl"}], "eval": {"split": 0.3}, "max_length": 64},
        train={"learning_rate": 0.005, "num_train_epochs": 8, "per_device_train_batch_size": 4, "report_to": []},
    )  # fmt: skip
    done = luthier("run", recipe, cwd=folder)
    assert done.returncode == 0, done.stderr
    next((folder / "runs").glob("tiny-*")).rename(folder / "sorts")
    return folder


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def explain(folder: Path, *arguments: object) -> Done:
    return luthier("explain", *arguments, cwd=folder)


@pytest.mark.parametrize("method", ["shap", "lime", "integrated_gradients"])
def test_the_word_that_decides_has_the_largest_share(method: str, folder: Path) -> None:
    done = explain(folder, "sorts", "--text", "the red fox 1", "--method", method, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["label"] == "first" and found["words"] == ["the", "red", "fox", "1"]
    assert max(found["words"], key=lambda word: found["attribution"][found["words"].index(word)]) == "red"


def test_a_file_and_the_page(folder: Path) -> None:
    done = explain(folder, "sorts", "--data", "labelled.jsonl", "--limit", 3, "-o", "page.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("first") == 3 and "over 3 texts" in done.stdout
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert ">red<" in page and "first" in page


def test_another_class_and_the_seed_take_effect(folder: Path) -> None:
    def shares(*options: object) -> list[float]:
        done = explain(
            folder, "sorts", "--text", "the red fox 1 the dog 2 the cow 3 the fox", "--json", *options
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout)["attribution"])

    few = shares("--samples", 16)
    assert shares("--label", "last", "--samples", 16) == pytest.approx([-share for share in few], abs=1e-5)
    assert shares("--samples", 16, "--seed", 1) != few
    assert shares("--samples", 512) != few


def test_rows_without_a_label_or_of_one_class_are_explained(folder: Path) -> None:
    """An explanation is of what the model says: no label is needed, and one class of rows is no fault."""
    write_lines(folder / "bare.jsonl", [{"text": "the red"}, {"text": "red fox"}])
    done = explain(folder, "sorts", "--data", "bare.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == ["first", "first"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--text", "a", "--method", "shapp"), "'shapp' is not one of"),
        (("--text", "a", "--lable", "first"), "--label"),
        (("--text", "a", "--samples", "4"), "4 is not in the range"),
        (("--text", "a", "--label", "frist"), "'frist' is no class of the model"),
        (("--text", " "), "--text number 1 has no words"),
        ((), "--text"),
        (("--text", "a", "--data", "labelled.jsonl"), "--data"),
        (("--data", "absent.jsonl"), "absent.jsonl"),
        (("--data", "labelled.jsonl", "--column", "txt"), "has no text in field 'txt'"),
        (("--data", "empty.jsonl"), "the file is empty"),
    ],
)
def test_bad_input_is_told(arguments: tuple[str, ...], words: str, folder: Path) -> None:
    (folder / "empty.jsonl").write_text("", encoding="utf-8")
    done = explain(folder, "sorts", *arguments)
    assert done.returncode != 0
    assert words in done.stderr and "Traceback" not in done.stderr


def test_a_model_without_a_head_and_no_model(folder: Path) -> None:
    done = explain(folder, folder / "base", "--text", "a")
    assert done.returncode != 0 and "no head that gives whole texts classes" in done.stderr
    done = explain(folder, "nowhere", "--text", "a")
    assert done.returncode != 0 and "nowhere" in done.stderr and "Traceback" not in done.stderr
