"""WNUT 2017 and XQuAD by the encoder: figures against their baselines, time and trained parameters.

Data: `ner/wnut17_{train,test}.conll` and `qa/xquad_en.json` of a folder of public data sets. Of XQuAD, which has no
training rows of its own, a fifth of the articles is held out. Each task is one `luthier run` of the recipe below; one
that was stopped goes on where it was, so that figures of a busy machine can be had in pieces.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

TASKS = ("wnut", "xquad")


def main() -> None:
    """Run the tasks and print a line per metric."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--method", choices=("full", "lora"), default="full")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--folder", type=Path, default=Path("runs/bench-spans"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(f"{'task':<8}{'metric':<14}{'baseline':>24}{'result':>24}{'rows':>7}")
    for task in options.tasks:
        recipe = options.folder / f"{task}.yaml"
        recipe.write_text(yaml.safe_dump(recipe_of(task, options)), encoding="utf-8")
        command = [sys.executable, "-m", "luthier", "run", str(recipe), "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        summary = json.loads(done.stdout)
        for metric in summary["metrics"]:
            shown = (
                f"{m['value']:.4f} ({m['low']:.3f}-{m['high']:.3f})"
                for m in (metric["base"], metric["tuned"])
            )
            one, other = shown
            print(f"{task:<8}{metric['metric']:<14}{one:>24}{other:>24}{metric['num_rows']:>7}")
        trained = summary["train"]
        print(
            f"{task:<8}{trained['parameters']:,} parameters, {trained['seconds']:.0f} s, "
            f"{trained['tokens_per_second']:,} tokens/s",
            flush=True,
        )


def recipe_of(task: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the recipe of one task."""
    folder: Path = options.data.resolve()
    if task == "wnut":
        train, test = (str(folder / f"ner/wnut17_{side}.conll") for side in ("train", "test"))
        data: dict[str, Any] = {
            "train": [{"path": train}],
            "eval": {"sources": [{"path": test}]},
            "max_length": 128,
        }
        objective: dict[str, Any] = {"name": "token_classification"}
    else:
        data = {"train": [{"path": str(folder / "qa/xquad_en.json")}], "max_length": 224}
        data["eval"] = {"split": 0.2, "group_by": "title"}
        objective = {"name": "question_answering", "doc_stride": 64}
    return {
        "name": f"bench-{task}",
        "runs_dir": str(options.folder),
        "model": {"base": options.base},
        "data": data,
        "objective": objective,
        "method": {"name": options.method},
        "train": {
            "learning_rate": options.learning_rate,
            "num_train_epochs": options.epochs,
            "per_device_train_batch_size": 16,
            "lr_scheduler_type": "linear",
            "warmup_ratio": 0.1,
        },
    }


if __name__ == "__main__":
    main()
