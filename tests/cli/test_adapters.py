"""Adapters from the command line: combined, chosen by name, and told when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.models.tiny_adapters import save_adapter
from tests.models.tiny_chat import save_chat_folder
from tests.tiny_job import luthier


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))
    base = save_chat_folder(tmp_path / "base")
    for seed, name in enumerate("ab", start=1):
        save_adapter(base, tmp_path / name, seed)
    return tmp_path


def test_combined_and_asked(folder: Path) -> None:
    made = luthier(
        "adapters", "combine", "a", "b", "--weights", "0.7,0.3", "-o", "both", "--json", cwd=folder
    )
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["rank"] == 8 and told["error"] < 1e-5
    answers = {}
    for use in ("base", "a", "mix"):
        asked = luthier(
            "chat", "base", "--adapter", "a=a", "--adapter", "mix=both", "--use", use,
            "--prompt", "What is the time?", "--max-tokens", 8, "--json", cwd=folder,
        )  # fmt: skip
        assert asked.returncode == 0, asked.stderr
        answers[use] = json.loads(asked.stdout)
    assert [told["model"] for told in answers.values()] == ["base", "a", "mix"]
    assert len({told["answer"] for told in answers.values()}) == 3


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("adapters", "combine", "a", "b", "--weights", "0.7;0.3", "-o", "x"), "numbers with commas"),
        (("adapters", "combine", "a", "b", "--type", "sum", "-o", "x"), "no combination 'sum'"),
        (("adapters", "combine", "a", "base", "-o", "x"), "is no adapter"),
        (("adapters", "combin", "a", "b", "-o", "x"), "combine"),
        (("chat", "base", "--adapter", "a", "--prompt", "x"), "NAME=PATH is expected"),
        (("chat", "base", "--adapter", "a=a", "--adapter", "a=b", "--prompt", "x"), "given twice"),
        (("chat", "base", "--adapter", "a=a", "--use", "c", "--prompt", "x"), "no model is called c"),
        (("chat", "base", "--adapter", "a=nowhere", "--prompt", "x"), "nowhere"),
        (("export", "a", "-o", "x"), "--adapter-only or --merged"),
        (("export", "a", "--adapter-only", "--dtype", "float32", "-o", "x"), "no effect on an adapter"),
        (("export", "base", "--adapter-only", "-o", "x"), "there is no adapter"),
    ],
)
def test_mistakes_are_named(folder: Path, arguments: tuple[str, ...], text: str) -> None:
    done = luthier(*arguments, cwd=folder)
    assert done.returncode == 2 and text in done.stderr
    assert not (folder / "x").exists()
