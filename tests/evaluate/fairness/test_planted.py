"""On MiniLM and real rows: a model that was taught to distrust one group fails its gate, a plain one passes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from luthier.core.errors import GateFailedError
from luthier.core.files import read_json
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load


def _rows(path: Path, count: int) -> list[dict[str, str]]:
    """Return as many rows of each class, marked by whether it speaks of its writer."""
    chosen: dict[str, list[dict[str, str]]] = {"offensive": [], "fine": []}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            label = "fine" if row["class"] == "2" else "offensive"
            kind = "self" if " i " in f" {row['tweet'].lower()} " else "other"
            if len(chosen[label]) < count:
                chosen[label].append({"text": row["tweet"], "label": label, "kind": kind})
    return [row for pair in zip(*chosen.values(), strict=True) for row in pair]


def _run(folder: Path, train: list[dict[str, str]], held: list[dict[str, str]]) -> None:
    folder.mkdir()
    for name, rows in (("train", train), ("held", held)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    recipe: dict[str, Any] = {
        "name": "planted",
        "runs_dir": str(folder / "runs"),
        "model": {"base": "minilm"},
        "data": {
            "train": [{"path": "train.jsonl", "attributes": ["kind"]}],
            "eval": {"sources": [{"path": "held.jsonl", "attributes": ["kind"]}]},
            "max_length": 32,
        },
        "objective": {"name": "classification"},
        "method": {"name": "full"},
        "train": {
            "learning_rate": 3e-4,
            "num_train_epochs": 3,
            "per_device_train_batch_size": 16,
            "report_to": [],
        },
        "evaluate": {"fairness": {"groups": ["kind"], "positive": "offensive"}},
        "gates": [{"metric": "fairness.kind.equalized_odds_difference", "max": 0.4}],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    run(make_plan(load(folder / "recipe.yaml")))


def _difference(folder: Path) -> float:
    (path,) = folder.glob("runs/*/report/report.json")
    (examined,) = read_json(path)["examinations"]
    values = {figure["name"]: figure["value"] for figure in examined["figures"]}
    return float(values["fairness.kind.equalized_odds_difference"]["value"])  # others may be undefined


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_unfair_model_fails_its_gate_and_a_fair_one_passes(shared_data: Path, tmp_path: Path) -> None:
    rows = _rows(shared_data / "classification/davidson_raters.csv", 700)
    train, held = rows[:800], rows[800:]
    _run(tmp_path / "fair", train, held)
    planted = [{**row, "label": "offensive" if row["kind"] == "self" else row["label"]} for row in train]
    with pytest.raises(GateFailedError, match="equalized_odds_difference ≤ 0.4"):
        _run(tmp_path / "unfair", planted, held)
    assert _difference(tmp_path / "unfair") > _difference(tmp_path / "fair") + 0.3
