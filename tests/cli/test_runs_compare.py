"""A run with one task beside one with several: the figures of the same task stand in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.cli import runs
from tests.tiny_job import luthier


def folder(path: Path, values: dict[str, Any]) -> Path:
    path.mkdir()
    (path / "plan.json").write_text(
        json.dumps({"values": {key: {"value": value} for key, value in values.items()}})
    )
    return path


SEVERAL = {
    "objective.name": "multitask",
    "objective.tasks[0].name": "intent",
    "objective.tasks[0].objective.name": "classification",
    "objective.tasks[1].name": "entities",
    "objective.tasks[1].objective.name": "token_classification",
}


def test_figures_of_one_task_are_compared_with_those_of_the_same_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = folder(tmp_path / "one", {"objective.name": "classification"})
    several = folder(tmp_path / "several", SEVERAL)

    def summary(run: Path) -> dict[str, Any]:
        prefix = "intent." if run.name == "several" else ""
        value = 0.8 if prefix else 0.7
        return {
            "run": run.name,
            "metrics": [{"metric": f"{prefix}accuracy", "tuned": {"value": value}}],
            "train": {"steps": 3},
        }

    monkeypatch.setattr(runs, "_summary", summary)
    done = luthier("runs", "compare", one, several, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = {line["key"]: (line["first"], line["second"]) for line in json.loads(done.stdout)}
    assert lines["intent.accuracy"] == (0.7, 0.8)
    assert lines["steps"] == (3, 3)
    assert "accuracy" not in lines
