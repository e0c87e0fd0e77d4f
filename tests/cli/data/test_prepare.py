"""`luthier data prepare` on small files: what it says, what it makes once only, and how it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from luthier.cli.main import main

RECIPE = """\
name: stories
data:
  train: [{path: rows.jsonl}]
  eval: {split: 0.25}
  clean: {white_space: collapse}
  balance: {by: label}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and 41 rows, the last of which equals the first once it is cleaned."""
    monkeypatch.chdir(tmp_path)
    words = ["river", "mountain", "candle", "visitor", "garden", "河流", "早上"]
    texts = [f"{words[n % 7]} {words[n * 3 % 5]} tale {n * 37 % 101}" for n in range(40)]
    labels = ["rare" if n % 4 == 0 else "usual" for n in range(40)]
    texts.append(texts[0])
    texts[0] = texts[0].replace(" ", "  ")
    labels.append("rare")
    rows = [{"text": t, "label": label} for t, label in zip(texts, labels, strict=True)]
    rows = [{**row, "topic": "news"} for row in rows]
    _write(tmp_path / "rows.jsonl", rows)
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _run(capsys: pytest.CaptureFixture[str], *options: str, exit_code: int = 0) -> tuple[str, str]:
    """Return what the command printed and what it said beside."""
    code: Any = 0
    try:
        main(["data", "prepare", "recipe.yaml", *options])
    except SystemExit as exit_request:
        code = exit_request.code
    out, err = capsys.readouterr()
    assert code == exit_code, err
    assert "Traceback" not in err
    return out, err


def test_people_see_counts_classes_and_each_step(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = _run(capsys)
    assert "41 read, 30 to train, 10 held out" in out and "1 duplicate" in out
    assert "1 text by white_space" in out
    assert "rare" in out and "weight" in out
    steps = ["begin", "41 so far", "exact duplicates", "hold rows out", "balance", "write", "done"]
    assert err.splitlines() == [f"rows: {step}" for step in steps]


def test_json_is_all_that_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = _run(capsys, "--json")
    facts = json.loads(out)
    assert (facts["num_read"], facts["num_train"], facts["num_eval"]) == (41, 30, 10)
    assert facts["left_out"] == {"duplicate": 1} and err == ""
    kept = Path(facts["folder"], "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(kept) == 30


def test_set_wins_over_the_recipe(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(_run(capsys, "--json", "--set", "data.eval.split=0.5")[0])
    assert (facts["num_train"], facts["num_eval"]) == (20, 20)


def test_the_second_call_finds_the_rows_and_fresh_makes_them_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = json.loads(_run(capsys, "--json")[0])
    made = Path(first["folder"], "train.jsonl")
    born = made.stat().st_mtime_ns
    out, err = _run(capsys)
    assert err.splitlines() == ["rows: cached"] and "30 to train" in out
    assert made.stat().st_mtime_ns == born
    again = json.loads(_run(capsys, "--json", "--fresh")[0])
    assert again == first and made.stat().st_mtime_ns > born


def test_rows_that_changed_are_made_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = json.loads(_run(capsys, "--json")[0])
    with (folder / "rows.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"text": "one more that is new", "label": "usual"}\n')
    assert json.loads(_run(capsys, "--json")[0])["num_read"] == first["num_read"] + 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("data.claen.unicode=true", ["data.claen", "did you mean `clean`?"]),
        ("data.balance.by=topic", ["data.balance.by", "attributes: [topic]"]),
        ("data.train.0.path=row.jsonl", ["data.train[0].path", "no file at", "rows.jsonl"]),
        ("data.eval.split=2", ["data.eval.split"]),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_before_anything_is_made(
    folder: Path, capsys: pytest.CaptureFixture[str], change: str, expected: list[str]
) -> None:
    _, err = _run(capsys, "--set", change, exit_code=2)
    assert all(part in err for part in expected), err
    assert not list(folder.glob("runs/*/rows"))


def test_a_broken_line_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    (folder / "rows.jsonl").write_text("\n".join([*lines[:2], '{"text": ', *lines[2:]]), encoding="utf-8")
    _, err = _run(capsys, exit_code=2)
    assert "rows.jsonl: line 3 is not valid JSON" in err
    assert not list(folder.glob("runs/*/rows"))


def test_a_domain_without_rows_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "recipe.yaml").write_text(
        RECIPE.replace("rows.jsonl", "rows.jsonl, attributes: [topic]").replace(
            "{split: 0.25}", "{out_of_domain: {field: topic, values: [sport]}}"
        ),
        encoding="utf-8",
    )
    _, err = _run(capsys, exit_code=2)
    assert "data.eval.out_of_domain: no row has topic: sport" in err


def test_a_file_that_is_not_there_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "recipe.yaml").unlink()
    assert "no file at recipe.yaml" in _run(capsys, exit_code=2)[1]


def test_an_interrupt_leaves_no_half_rows_and_the_next_call_works(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text": f"tale {n} of {n * n}", "label": "ab"[n % 2]} for n in range(60_000)]
    _write(folder / "rows.jsonl", rows)
    code = "from luthier.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "data", "prepare", "recipe.yaml"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stderr is not None
    seen = ""
    while "so far" not in seen:
        seen = process.stderr.readline()
        assert seen, "it ended before it could be interrupted"
    assert process.poll() is None, "it ended before it could be interrupted"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "Traceback" not in said
    assert not list(folder.glob("runs/*/rows")), "half of the rows were left"
    _write(folder / "rows.jsonl", rows[:200])
    assert json.loads(_run(capsys, "--json")[0])["num_read"] == 200
