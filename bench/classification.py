"""Banking77 by the encoder: accuracy, time and trained parameters of full fine-tuning and of LoRA.

Data: `classification/banking77_{train,test}.csv` of a folder of public data sets. Each way is one `luthier run` of the
recipe below; a way that was stopped goes on where it was, so that figures of a busy machine can be had in pieces.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

_COLUMNS = {"schema": "classification", "columns": {"label": "category"}}
WAYS: dict[str, tuple[dict[str, Any], float]] = {
    "full": ({"name": "full"}, 3.0e-4),
    "lora": ({"name": "lora", "r": 16, "lora_alpha": 32}, 2.0e-3),
}


def main() -> None:
    """Run the ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/classification"))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--folder", type=Path, default=Path("runs/bench-classification"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(f"{'way':<8}{'accuracy':>24}{'F1 macro':>10}{'parameters':>14}{'seconds':>10}{'tokens/s':>10}")
    for way in options.ways:
        recipe = options.folder / f"{way}.yaml"
        recipe.write_text(yaml.safe_dump(recipe_of(way, options)), encoding="utf-8")
        command = [sys.executable, "-m", "luthier", "run", str(recipe), "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        summary = json.loads(done.stdout)
        metrics = {metric["metric"]: metric["tuned"] for metric in summary["metrics"]}
        accuracy, trained = metrics["accuracy"], summary["train"]
        shown = f"{accuracy['value']:.4f} ({accuracy['low']:.3f}-{accuracy['high']:.3f})"
        print(
            f"{way:<8}{shown:>24}{metrics['f1_macro']['value']:>10.4f}{trained['parameters']:>14,}"
            f"{trained['seconds']:>10.0f}{trained['tokens_per_second']:>10,}",
            flush=True,
        )


def recipe_of(way: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the recipe of one way."""
    method, rate = WAYS[way]
    folder: Path = options.data.resolve()
    return {
        "name": f"bench-{way}",
        "runs_dir": str(options.folder),
        "model": {"base": options.base},
        "data": {
            "train": [{"path": str(folder / "banking77_train.csv"), **_COLUMNS}],
            "eval": {"sources": [{"path": str(folder / "banking77_test.csv"), **_COLUMNS}]},
            "max_length": 128,
        },
        "objective": {"name": "classification"},
        "method": method,
        "train": {
            "learning_rate": rate,
            "num_train_epochs": options.epochs,
            "per_device_train_batch_size": 64,
            "per_device_eval_batch_size": 64,
            "lr_scheduler_type": "linear",
            "warmup_ratio": 0.1,
            "logging_steps": 20,
            "save_strategy": "steps",
            "save_steps": 60,
        },
    }


if __name__ == "__main__":
    main()
