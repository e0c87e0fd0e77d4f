"""`luthier prompt` as a user types it: with a tiny model, with a typo, with broken input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.cli.main import main
from luthier.core.files import read_json
from tests.models.tiny_chat import save_chat_folder

PLAIN = """
data: rows.jsonl
template: "{{ q }}"
answer: "{{ a }}"
choices: [noon, night]
max_new_tokens: 4
"""
SHOWN = (
    PLAIN.replace('template: "{{ q }}"', 'template: "{{ examples }} {{ q }}"')
    + """
examples: {pool: rows.jsonl, select: random, count: 2, template: "{{ q }} {{ example_answer }}"}
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompts")
    rows = [
        {"q": f"What is the time at place {'abcdefgh'[n] * 9}?", "a": ["noon", "night"][n % 2]}
        for n in range(8)
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (folder / "plain.yaml").write_text(PLAIN, encoding="utf-8")
    (folder / "shown.yaml").write_text(SHOWN, encoding="utf-8")
    save_chat_folder(folder / "model")
    return folder


def _run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_render_shows_turns_answer_and_examples(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "prompt", "render", folder / "shown.yaml", "--row", 2)
    assert code == 0 and "What is the time at place bbb" in out and "right     night" in out
    assert out.count("rows.jsonl, row") == 3  # the row and its two examples


def test_render_as_json_with_the_tokens_of_a_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(
        capsys, "prompt", "render", folder / "plain.yaml", "--model", folder / "model", "--json"
    )
    found = json.loads(out)
    assert code == 0 and found["text"].endswith("<|im_start|>assistant\n") and found["tokens"] > 20
    assert found["references"] == ["noon"] and found["choices"] == ["noon", "night"]


@pytest.mark.parametrize("metric", ["choice_log_likelihood", "rouge"])
def test_compare_writes_report_and_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], metric: str
) -> None:
    command = ("prompt", "compare", folder / "plain.yaml", folder / "shown.yaml", "--model", folder / "model",
               "--metric", metric, "--rows", 6, "--permutations", 500, "-o", tmp_path / "out")  # fmt: skip
    code, out, _ = _run(capsys, *command)
    assert code == 0 and "plain" in out and ("difference" in out or "same score" in out)
    report = read_json(tmp_path / "out" / "report.json")
    assert report["rows"] == 6 and report["metric"] == metric
    assert "Prompts compared" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    code, out, _ = _run(capsys, *command, "--json")
    assert [p["kept_answers"] for p in json.loads(out)["prompts"]] == [6, 6]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["prompt", "rendr"], "render"),
        (["prompt", "render", "FOLDER/none.yaml"], "luthier prompt init"),
        (["prompt", "render", "FOLDER/plain.yaml", "--row", "99"], "numbers 1 to 8"),
        (["prompt", "compare", "FOLDER/plain.yaml", "--metric", "rouge"], "--model"),
        (
            ["prompt", "compare", "FOLDER/plain.yaml", "FOLDER/plain.yaml", "--metric", "rouge", "--model", "x"],
            "two prompts have the name 'plain'",
        ),
        (
            ["prompt", "compare", "FOLDER/plain.yaml", "--metric", "rouge", "--model", "x", "--normalize", "byte"],
            "has no effect with --metric rouge",
        ),
        (
            ["prompt", "compare", "FOLDER/plain.yaml", "--metric", "rouge", "--model", "x", "--at-once", "2"],
            "has no effect without --server",
        ),
        (
            ["prompt", "compare", "FOLDER/plain.yaml", "--metric", "choice_log_likelihood", "--model", "x",
             "--server", "http://127.0.0.1:9"],
            "how probable a choice is",
        ),
        (
            ["prompt", "compare", "FOLDER/plain.yaml", "--metric", "rouge", "--model", "x",
             "--server", "http://127.0.0.1:9"],
            "no answer from the server",
        ),
        (["prompt", "init", "clasify"], "known: classify-random"),
    ],
)  # fmt: skip
def test_mistakes_name_their_cure(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], told: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("luthier.models.endpoint.Endpoint.waits_seconds", (), raising=False)
    code, _, err = _run(capsys, *(text.replace("FOLDER", str(folder)) for text in arguments))
    assert code == 2 and told in err and "Traceback" not in err


def test_init_lists_and_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = _run(capsys, "prompt", "init")
    assert "math-reasoning" in out and "chain of thought" in out
    target = tmp_path / "own.yaml"
    assert _run(capsys, "prompt", "init", "math-direct", target)[0] == 0 and target.is_file()
    code, _, err = _run(capsys, "prompt", "init", "math-direct", target)
    assert code == 2 and "not overwritten" in err
