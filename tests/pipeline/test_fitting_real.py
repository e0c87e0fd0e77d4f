"""A planted over-fitted classifier fails its gate, a good one passes: MiniLM on Banking77."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from luthier.core.files import read_json
from tests.tiny_job import luthier

# Two of 77 intents, told apart by few words: a hundred rows teach them, two dozen with made-up labels cannot.
_INTENTS = ("card_arrival", "exchange_rate")


def _write(folder: Path, source: Path, *, num_train: int, spoilt: bool) -> Path:
    with source.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    of_intents = ([row for row in found if row["category"] == intent] for intent in _INTENTS)
    rows = [row for pair in zip(*of_intents, strict=False) for row in pair]
    train, held_out = rows[:num_train], rows[num_train : num_train + 120]
    if spoilt:  # labels that no text explains can only be learnt by heart
        train = [{**row, "category": _INTENTS[(n // 2) % 2]} for n, row in enumerate(train)]
    for name, part in (("train.csv", train), ("eval.csv", held_out)):
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "category"])
            writer.writeheader()
            writer.writerows({key: row[key] for key in ("text", "category")} for row in part)
    source_of = {"columns": {"label": "category"}}
    recipe: dict[str, Any] = {
        "name": "planted" if spoilt else "good",
        "runs_dir": str(folder / "runs"),
        "model": {"base": "minilm", "dtype": "float32"},
        "data": {
            "train": [{"path": "train.csv", **source_of}],
            "eval": {"sources": [{"path": "eval.csv", **source_of}]},
            "max_length": 48,
        },
        "objective": {"name": "classification"},
        "method": {"name": "full"},
        "train": {
            "learning_rate": 2e-4,
            "num_train_epochs": 12 if spoilt else 3,
            "load_best_model_at_end": not spoilt,
            "report_to": [],
        },
        "evaluate": {"bootstrap_samples": 500, "fitting": {}},
        "gates": [{"metric": "fitting.gap.accuracy", "max": 0.2}],
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", [True, False])
def test_an_over_fitted_model_fails_its_gate_and_a_good_one_passes(
    tmp_path: Path, shared_data: Path, spoilt: bool
) -> None:
    recipe = _write(
        tmp_path, shared_data / "classification" / "banking77_train.csv", num_train=24 if spoilt else 100, spoilt=spoilt
    )  # fmt: skip
    done = luthier("run", recipe, cwd=tmp_path)
    assert (done.returncode == 0) is not spoilt, done.stderr
    (path,) = (tmp_path / "runs").glob("*/report/report.json")
    report = read_json(path)
    (fitting,) = report["examinations"]
    assert report["gates"][0]["passed"] is not spoilt
    texts = [finding["text"] for finding in fitting["findings"]]
    assert any(text.startswith("over-fitted") for text in texts) is spoilt, texts
