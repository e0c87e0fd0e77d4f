"""On SmolLM2 and real rows: a model that learnt few rows by heart fails its gate, one that saw them once passes."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from luthier.core.errors import GateFailedError
from luthier.core.files import read_json
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load

ALPACA = Path(__file__).parents[4] / "shared" / "data" / "instruction" / "alpaca_en_demo.json"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ALPACA.is_file(), reason="needs ../shared/data"),
    pytest.mark.timeout(900),
]


def report(folder: Path, name: str, *, epochs: int, learning_rate: float) -> dict[str, Any]:
    rows = [row for row in json.loads(ALPACA.read_text()) if 45 <= len(row["output"].split()) <= 70]
    for file, part in (("train.json", rows[:16]), ("held.json", rows[16:32])):
        (folder / file).write_text(json.dumps(part), encoding="utf-8")
    recipe = {
        "name": name,
        "runs_dir": str(folder / "runs"),
        "model": {"base": "smollm2-135m-instruct"},
        "data": {
            "train": [{"path": "train.json"}],
            "eval": {"sources": [{"path": "held.json"}]},
            "max_length": 256,
        },
        "method": {"name": "lora", "r": 32, "lora_alpha": 64},
        "train": {
            "learning_rate": learning_rate,
            "num_train_epochs": epochs,
            "per_device_train_batch_size": 8,
            "report_to": [],
            "eval_strategy": "no",  # the last step is kept, not the best on held-out rows
        },
        "evaluate": {
            "metrics": ["perplexity"],
            "num_generations": 0,
            "memorization": {"prefix_tokens": [8], "continuation_tokens": 16, "fpr": 0.1},
        },
        "gates": [
            {"metric": "memorization.extracted_share", "max": 0.3},
            {"metric": "memorization.excess_share", "max": 0.3},
        ],
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    with contextlib.suppress(GateFailedError):
        run(make_plan(load(folder / f"{name}.yaml")))
    (path,) = folder.glob(f"runs/{name}-*/report/report.json")
    found: dict[str, Any] = read_json(path)
    return found


def test_rows_learnt_by_heart_fail_the_gate_and_rows_seen_once_pass(tmp_path: Path) -> None:
    planted = report(tmp_path, "planted", epochs=8, learning_rate=2e-3)
    good = report(tmp_path, "good", epochs=1, learning_rate=1e-4)
    assert [gate["passed"] for gate in planted["gates"]] == [False, False]
    assert [gate["passed"] for gate in good["gates"]] == [True, True]
    figures = {each["name"]: each for each in planted["examinations"][0]["figures"]}
    assert figures["memorization.membership_auc"]["value"]["low"] > 0.9
