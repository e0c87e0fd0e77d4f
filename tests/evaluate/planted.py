"""Planted models: SmolLM2 tuned on a few real rows by a recipe, and the report that its run wrote."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from luthier.core.errors import GateFailedError
from luthier.core.files import read_json
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load

ALPACA = Path(__file__).parents[3] / "shared" / "data" / "instruction" / "alpaca_en_demo.json"


def alpaca_rows(fewest_words: int, most_words: int) -> list[dict[str, str]]:
    """Return the rows whose answer is of a certain length."""
    rows: list[dict[str, str]] = json.loads(ALPACA.read_text(encoding="utf-8"))
    return [row for row in rows if fewest_words <= len(row["output"].split()) <= most_words]


def report_of_tuned(
    folder: Path,
    name: str,
    train: Sequence[dict[str, str]],
    held_out: Sequence[dict[str, str]],
    *,
    method: dict[str, Any],
    epochs: int,
    learning_rate: float,
    examination: dict[str, Any],
    gates: list[dict[str, Any]],
) -> dict[str, Any]:
    """Tune SmolLM2 on rows in the schema of Alpaca, examine it, and return the report, whether its gates hold or not.

    Args:
        folder: Gets files, recipe and run.
        name: Of the run.
        train: Rows to learn.
        held_out: Rows that are not.
        method: Of the recipe.
        epochs: Over the rows to learn.
        learning_rate: Of the training.
        examination: What `evaluate` holds besides.
        gates: Of the recipe.
    """
    for file, rows in ((f"{name}-train.json", train), (f"{name}-held.json", held_out)):
        (folder / file).write_text(json.dumps(rows), encoding="utf-8")
    recipe = {
        "name": name,
        "runs_dir": str(folder / "runs"),
        "model": {"base": "smollm2-135m-instruct"},
        "data": {
            "train": [{"path": f"{name}-train.json"}],
            "eval": {"sources": [{"path": f"{name}-held.json"}]},
            "max_length": 256,
        },
        "method": method,
        "train": {
            "learning_rate": learning_rate,
            "num_train_epochs": epochs,
            "per_device_train_batch_size": 8,
            "report_to": [],
            "eval_strategy": "no",  # the last step is kept, not the best on held-out rows
        },
        "evaluate": {"metrics": ["perplexity"], "num_generations": 0, **examination},
        "gates": gates,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    with contextlib.suppress(GateFailedError):
        run(make_plan(load(folder / f"{name}.yaml")))
    (path,) = folder.glob(f"runs/{name}-*/report/report.json")
    found: dict[str, Any] = read_json(path)
    return found
