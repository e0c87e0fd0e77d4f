"""Chinese comments for an English base: equal training tokens with its own vocabulary, added tokens or a new tokenizer.

Each way sees the same number of tokens in all, as near as whole rows allow; with fewer tokens a row it sees more rows
in about the same time. All are measured in nats per character on the same held-out comments, the base by its own
tokenizer. A run that was done before is found again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from luthier.core.files import read_json
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load

ROWS = "classification/coldataset_zh_{}.csv"
WAYS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "added tokens": {"vocabulary": {"add_tokens": "auto", "max_new_tokens_added": 2000, "min_frequency": 5}},
    "added, random start": {
        "vocabulary": {
            "add_tokens": "auto",
            "max_new_tokens_added": 2000,
            "min_frequency": 5,
            "init": "random",
        }
    },
    "new tokenizer": {"vocabulary": {"new_vocab_size": 8000}},
}


def main() -> None:
    """Train each way and print a line as it ends."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    for way in options.ways:
        rows = options.rows_per_step * (1 if way == "as it is" else 2)
        recipe = _recipe(way, WAYS[way], rows, options)
        job = run(make_plan(load(recipe)))
        print(json.dumps({"way": way, **_figures(job, options)}, ensure_ascii=False), flush=True)


def _recipe(name: str, sections: dict[str, Any], rows: int, options: argparse.Namespace) -> Path:
    def source(split: str, limit: int) -> dict[str, Any]:
        path = str((options.data / ROWS.format(split)).resolve())
        return {"path": path, "schema": "text", "columns": {"text": "TEXT"}, "limit": limit}

    recipe = {
        "name": name.replace(" ", "-").replace(",", ""),
        "runs_dir": str(options.folder / "runs"),
        "model": {"base": "smollm2-135m-instruct", "dtype": "bfloat16"},
        "objective": {"name": "pretraining"},
        "data": {
            "train": [source("train", options.train_rows)],
            "eval": {"sources": [source("dev", options.eval_rows)]},
            "max_length": 256,
        },
        "method": {"name": "lora", "r": 16, "lora_alpha": 32},
        "train": {
            "learning_rate": 1e-3,
            "max_steps": options.steps,
            "per_device_train_batch_size": rows,
            "eval_strategy": "no",
            "report_to": [],
        },
        **sections,
    }
    path = options.folder / f"{recipe['name']}.yaml"
    path.write_text(yaml.safe_dump(recipe, allow_unicode=True), encoding="utf-8")
    return path


def _figures(job: Any, options: argparse.Namespace) -> dict[str, Any]:
    report = read_json(job.folder.path / "report" / "report.json")
    per_character = report.get("same_text")
    if per_character is None:
        loss = next(m for m in report["metrics"] if m["metric"] == "eval_loss")
        tokens, characters = _eval_size(job)
        rate = tokens / characters
        per_character = {"base": loss["base"]["value"] * rate, "tuned": loss["tuned"]["value"] * rate}
    fertility = job.vocabulary.fertility["eval"]["after"] if job.vocabulary else None
    return {
        "tokens_per_character": round(fertility["tokens_per_character"], 3) if fertility else None,
        "trained_parameters": job.trained.num_trainable,
        "tokens": job.trained.num_tokens,
        "seconds": job.trained.seconds,
        "base_nats_per_character": round(per_character["base"], 4),
        "tuned_nats_per_character": round(per_character["tuned"], 4),
    }


def _eval_size(job: Any) -> tuple[int, int]:
    """Return predicted tokens of the held-out rows, and their characters."""
    from luthier.data.example import IGNORED
    from luthier.data.prepare import read_examples

    tokens = characters = 0
    for row in read_examples(job.dataset, "eval"):
        labels = row.labels[1:][row.labels[1:] != IGNORED]
        tokens += len(labels)
        characters += len(job.tokenizer.decode(labels, skip_special_tokens=True))
    return tokens, characters


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, required=True, help="Holds the runs.")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rows-per-step", type=int, default=16, help="Doubled where the vocabulary grows.")
    parser.add_argument("--train-rows", type=int, default=6000)
    parser.add_argument("--eval-rows", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    main()
