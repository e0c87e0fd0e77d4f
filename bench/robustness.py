"""Whether training on mistyped copies lowers the success of typing attacks: MiniLM on some intents of Banking77.

Data: `classification/banking77_{train,test}.csv` of a folder of public data sets. All ways take as many steps, so that
the copies do not get more training than the rows alone. Each way is one `luthier run` of the recipe below.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

WAYS: dict[str, list[dict[str, Any]]] = {
    "rows alone": [],
    "mistyped copies of half": [{"kind": "typing", "share": 0.5, "rate": 0.2}],
    "mistyped copies of all": [{"kind": "typing", "share": 1.0, "rate": 0.2}],
}
_ATTACKS = ["typing", "word_order"]
_SHOWN = ("clean_accuracy", "typing.success_rate", "typing.accuracy", "word_order.success_rate", "stability")


def main() -> None:
    """Run the ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/classification"))
    parser.add_argument("--intents", type=int, default=20)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rows", type=int, default=200, help="Held-out rows that are attacked.")
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--edits", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--folder", type=Path, default=Path("runs/bench-robustness"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        write_rows(options.data / f"banking77_{part}.csv", options.folder / f"{part}.jsonl", options.intents)
    print("".join(f"{head:<26}" for head in ("way", *_SHOWN)))
    for way in options.ways:
        recipe = options.folder / f"{way.replace(' ', '-')}.yaml"
        recipe.write_text(yaml.safe_dump(recipe_of(way, options)), encoding="utf-8")
        command = [sys.executable, "-m", "luthier", "run", str(recipe), "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        figures = {figure["name"]: figure["value"] for figure in json.loads(done.stdout)["figures"]}
        shown = (shown_interval(figures[f"robustness.{name}"]) for name in _SHOWN)
        print("".join(f"{cell:<26}" for cell in (way, *shown)), flush=True)


def write_rows(source: Path, target: Path, num_intents: int) -> None:
    """Write the rows of the first intents in alphabetical order."""
    with source.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chosen = set(sorted({row["category"] for row in rows})[:num_intents])
    kept: Iterable[dict[str, str]] = (
        {"text": row["text"], "label": row["category"]} for row in rows if row["category"] in chosen
    )
    target.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")


def recipe_of(way: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the recipe of one way."""
    data: dict[str, Any] = {
        "train": [{"path": "train.jsonl"}],
        "eval": {"sources": [{"path": "test.jsonl"}]},
        "max_length": 64,
    }
    if WAYS[way]:
        data["augment"] = {"operations": WAYS[way]}
    return {
        "name": way.replace(" ", "-"),
        "seed": options.seed,
        "runs_dir": str((options.folder / "runs").resolve()),
        "model": {"base": "minilm", "dtype": "float32"},
        "data": data,
        "objective": {"name": "classification"},
        "method": {"name": "full"},
        "train": {
            "learning_rate": 3.0e-4,
            "max_steps": options.steps,
            "per_device_train_batch_size": 32,
            "lr_scheduler_type": "linear",
            "warmup_ratio": 0.1,
            "eval_strategy": "no",
            "report_to": [],
        },
        "evaluate": {
            "robustness": {
                "attacks": _ATTACKS,
                "num_rows": options.rows,
                "queries": options.queries,
                "max_edits": options.edits,
            }
        },
    }


def shown_interval(interval: dict[str, float]) -> str:
    """Return a share with its interval."""
    return f"{interval['value']:.3f} ({interval['low']:.3f}-{interval['high']:.3f})"


if __name__ == "__main__":
    main()
