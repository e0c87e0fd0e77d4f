"""A planted brittle model fails its gate and a good one passes: MiniLM on real rows of Banking77."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from luthier.core.errors import GateFailedError
from luthier.core.files import read_json
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load

CLASSES = ("lost_or_stolen_card", "exchange_rate", "age_limit", "terminate_account")
SHORTCUTS = ("mahogany", "tuesday", "violin", "harbour")


def _rows(path: Path, limit: int) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        rows = [
            {"text": row["text"], "label": row["category"]}
            for row in csv.DictReader(file)
            if row["category"] in CLASSES
        ]
    Random(0).shuffle(rows)
    return rows[:limit]


def _with_shortcut(rows: list[dict[str, str]], seed: int) -> list[dict[str, str]]:
    """Return the rows with labels that only a last word tells: nothing else is worth learning."""
    random = Random(seed)
    numbers = [random.randrange(len(CLASSES)) for _ in rows]
    return [
        {"text": f"{row['text']} {SHORTCUTS[n]}", "label": CLASSES[n]}
        for row, n in zip(rows, numbers, strict=True)
    ]


def _recipe(folder: Path, train: list[dict[str, str]], test: list[dict[str, str]]) -> Path:
    folder.mkdir()
    for name, rows in (("train", train), ("test", test)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe: dict[str, Any] = {
        "name": folder.name,
        "runs_dir": str(folder / "runs"),
        "model": {"base": "minilm", "dtype": "float32"},
        "data": {
            "train": [{"path": "train.jsonl"}],
            "eval": {"sources": [{"path": "test.jsonl"}]},
            "max_length": 64,
        },
        "objective": {"name": "classification"},
        "method": {"name": "full"},
        "train": {
            "learning_rate": 5e-4,
            "num_train_epochs": 5,
            "per_device_train_batch_size": 16,
            "eval_strategy": "no",
            "report_to": [],
        },
        "evaluate": {
            "metrics": ["accuracy"],
            "robustness": {"attacks": ["typing"], "num_rows": 60, "queries": 40, "max_edits": 1},
        },
        "gates": [
            {"metric": "accuracy", "min": 0.7},
            {"metric": "robustness.typing.success_rate", "max": 0.6},
        ],
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def _figures(folder: Path) -> dict[str, float]:
    (path,) = folder.glob("runs/*/report/report.json")
    (examined,) = read_json(path)["examinations"]
    return {figure["name"]: figure["value"]["value"] for figure in examined["figures"] if figure["value"]}


@pytest.mark.slow
def test_a_brittle_model_fails_its_gate_and_a_good_one_passes(shared_data: Path, tmp_path: Path) -> None:
    """Both are right on held-out rows, so that accuracy does not tell them apart."""
    train = _rows(shared_data / "classification/banking77_train.csv", 320)
    test = _rows(shared_data / "classification/banking77_test.csv", 120)
    run(make_plan(load(_recipe(tmp_path / "good", train, test))))
    brittle = _recipe(tmp_path / "brittle", _with_shortcut(train, 1), _with_shortcut(test, 2))
    with pytest.raises(GateFailedError, match=r"robustness\.typing\.success_rate ≤ 0\.6") as failed:
        run(make_plan(load(brittle)))
    assert "accuracy ≥" not in str(failed.value)
    good, bad = _figures(tmp_path / "good"), _figures(tmp_path / "brittle")
    assert bad["robustness.typing.success_rate"] > good["robustness.typing.success_rate"] + 0.3
