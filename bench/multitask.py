"""Banking77 intents and WNUT17 entities: one model with two heads against a model each, on the same held-out rows.

Every run is Luthier's own, from a recipe, on rows drawn by a seed; all are measured on the same held-out rows. A run
that was done before is found again, so the table can be made piece by piece.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from luthier.data.sources import read_rows
from luthier.pipeline.run import make_plan, run
from luthier.pipeline.story import read_history
from luthier.recipe.load import load

TASKS = {
    "intent": ("classification", "accuracy", "classification/banking77_{}.csv"),
    "entities": ("token_classification", "f1", "ner/wnut17_{}.conll"),
}
WAYS: dict[str, dict[str, Any]] = {
    "proportional": {},
    "temperature 3": {"sampling": {"name": "temperature", "temperature": 3.0}},
    "round robin": {"sampling": {"name": "round_robin"}},
    "uncertainty": {"loss_weights": {"name": "uncertainty"}},
    "dynamic average": {"loss_weights": {"name": "dynamic_average"}},
    "gradnorm": {"loss_weights": {"name": "gradnorm"}},
    "pcgrad": {"gradients": {"surgery": "pcgrad", "conflict_steps": 5}},
    "entities, then both": {
        "stages": [{"tasks": ["entities"], "share": 0.25}, {"tasks": ["intent", "entities"], "share": 0.75}]
    },
}


def main() -> None:
    """Train the single tasks and the chosen ways, and print a line each as they end."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    _write_rows(options)
    for name, objective, tasks in _runs(options.ways):
        started = time.perf_counter()
        figures = _run(name, objective, tasks, options)
        line = {"run": name, "seconds": round(time.perf_counter() - started), **figures}
        print(
            json.dumps(line) if options.json else "  ".join(f"{k} {v}" for k, v in line.items()), flush=True
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with classification/ and ner/")
    parser.add_argument("--folder", type=Path, required=True, help="for rows and runs")
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--intent-rows", type=int, default=1500)
    parser.add_argument("--entity-rows", type=int, default=1000)
    parser.add_argument("--eval-rows", type=int, default=800)
    parser.add_argument("--epochs", type=float, default=4.0)
    parser.add_argument("--method", default="full", choices=["full", "lora"])
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _runs(ways: list[str]) -> Iterator[tuple[str, dict[str, Any], tuple[str, ...]]]:
    """Yield name, objective and tasks of each run."""
    for task, (objective, _, _) in TASKS.items():
        yield f"{task} alone", {"name": objective}, (task,)
    tasks = [{"name": task, "objective": {"name": objective}} for task, (objective, _, _) in TASKS.items()]
    for way in ways:
        settings = {"gradients": {"conflict_steps": 5}, **WAYS[way]}
        yield way, {"name": "multitask", "tasks": tasks, **settings}, tuple(TASKS)


def _run(
    name: str, objective: Mapping[str, Any], tasks: tuple[str, ...], options: argparse.Namespace
) -> dict[str, Any]:
    """Do a run and return its figures."""
    recipe = {
        "name": f"{name.replace(' ', '-').replace(',', '')}-{options.method}",
        "seed": options.seed,
        "runs_dir": str(options.folder),
        "model": {"base": options.base},
        "data": {
            "train": [_source(task, "train", tasks, options) for task in tasks],
            "eval": {"sources": [_source(task, "test", tasks, options) for task in tasks]},
            "clean": {"deduplicate": "off"},
            "max_length": 128,
        },
        "objective": dict(objective),
        "method": {"name": options.method},
        "train": {
            "learning_rate": options.learning_rate,
            "num_train_epochs": options.epochs,
            "per_device_train_batch_size": 32,
            "warmup_ratio": 0.1,
            "report_to": [],
        },
        "evaluate": {"bootstrap_samples": 1000},
    }
    path = options.folder / f"{recipe['name']}.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    job = run(make_plan(load(path)))
    assert job.report is not None
    metrics = {metric["metric"]: metric["tuned"] for metric in job.report.metrics}
    found: dict[str, Any] = {"steps": job.trained.num_steps, "training_seconds": round(job.trained.seconds)}
    for task in tasks:
        wanted = TASKS[task][1]
        interval = metrics[wanted if len(tasks) == 1 else f"{task}.{wanted}"]
        found[f"{task} {wanted}"] = [round(interval[end], 3) for end in ("value", "low", "high")]
    return found | _conflicts(read_history(job.trained.folder))


def _source(task: str, side: str, tasks: tuple[str, ...], options: argparse.Namespace) -> dict[str, Any]:
    source: dict[str, Any] = {"path": f"{task}-{side}.jsonl"}
    return source | ({"task": task} if len(tasks) > 1 else {})


def _write_rows(options: argparse.Namespace) -> None:
    """Draw the rows of both tasks and write them beside the recipes."""
    limits = {"intent": options.intent_rows, "entities": options.entity_rows}
    for task, (_, _, pattern) in TASKS.items():
        for side in ("train", "test"):
            rows = [row for _, row in read_rows(options.data / pattern.format(side))]
            random.Random(options.seed).shuffle(rows)
            kept = rows[: limits[task] if side == "train" else options.eval_rows]
            if task == "intent":
                kept = [{"text": row["text"], "label": row["category"]} for row in kept]
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in kept]
            (options.folder / f"{task}-{side}.jsonl").write_text("".join(lines), encoding="utf-8")


def _conflicts(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the last loss weights, the mean cosine of the tasks' gradients, and the share below 0."""
    steps = [event for event in events if event["kind"] == "train_step" and "tasks" in event]
    if not steps:
        return {}
    factors = {task: round(told["factor"], 3) for event in steps for task, told in event["tasks"].items()}
    cosines = [value for event in steps for value in event.get("gradient_cosines", {}).values()]
    below = sum(value < 0 for value in cosines) / max(len(cosines), 1)
    return {
        "weights": factors,
        "mean_cosine": round(sum(cosines) / max(len(cosines), 1), 3),
        "below_0": round(below, 2),
    }


if __name__ == "__main__":
    main()
