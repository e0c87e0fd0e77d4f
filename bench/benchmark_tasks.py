"""Multiple choice asked by Luthier and by lm-evaluation-harness's own Hugging Face model, item by item, in one run.

Usage: python bench/benchmark_tasks.py ../shared/data/classification FOLDER --items 1000 [--model smollm2-135m-instruct]

Builds a task of Banking77's test rows (a query, its intent and three others), asks a base in float32 through both, and
prints the largest difference of a log-likelihood, the items whose choice differs, and the seconds of each.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from pathlib import Path
from typing import Any

import torch

TASK = """\
task: banking77_choice
dataset_path: json
dataset_kwargs: {data_files: {test: items.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "Query: {{query}}\\nIntent:"
doc_to_choice: choices
doc_to_target: answer
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""


def write_task(source: Path, folder: Path, first: int, count: int) -> Path:
    """Write the task and its items."""
    with (source / "banking77_test.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"].strip(), row["category"].replace("_", " ")) for row in csv.DictReader(file)]
    draw = random.Random(7)
    draw.shuffle(rows)
    intents = sorted({intent for _, intent in rows})
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "items.jsonl").open("w", encoding="utf-8") as file:
        for query, intent in rows[first : first + count]:
            choices = [intent, *draw.sample([other for other in intents if other != intent], 3)]
            draw.shuffle(choices)
            item = {"query": query, "choices": choices, "answer": choices.index(intent)}
            file.write(json.dumps(item) + "\n")
    path = folder / "banking77_choice.yaml"
    path.write_text(TASK, encoding="utf-8")
    return path


def asked(task_file: Path, model: Any) -> tuple[list[list[float]], float]:
    """Return the log-likelihoods of each item's choices, and the seconds."""
    from luthier.evaluate.benchmarks.run import load_task, run_task
    from luthier.recipe.evaluate_sections.benchmarks import BenchmarkTask

    task = load_task(BenchmarkTask(path=str(task_file)), Path())
    begin = time.perf_counter()
    run = run_task(task, model, limit=None, apply_chat_template=False)
    return [[pair[0] for pair in answers] for answers in run.answers], time.perf_counter() - begin


def main() -> None:
    """Print the comparison as one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="begin with this item, to divide a long run")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    from lm_eval.models.huggingface import HFLM

    from luthier.data.tokenizer import load_tokenizer
    from luthier.evaluate.benchmarks.harness_model import HarnessModel
    from luthier.models.chat_model import ChatModel
    from luthier.models.load import load_model, locate_base

    task_file = write_task(arguments.source, arguments.folder, arguments.first, arguments.items)
    base = locate_base(arguments.model)
    model, tokenizer = load_model(base, dtype=torch.float32), load_tokenizer(base)
    ours, seconds = asked(task_file, HarnessModel(ChatModel(model, tokenizer, None)))
    print(json.dumps({"items": len(ours), "our_seconds": round(seconds, 1)}), flush=True)
    for size in arguments.batch_sizes:
        other, taken = asked(task_file, HarnessModel(ChatModel(model, tokenizer, None), batch_size=size))
        print(
            json.dumps({"batch_size": size, "seconds": round(taken, 1), **compared(ours, other)}), flush=True
        )
    theirs, seconds_of_theirs = asked(task_file, HFLM(pretrained=model, tokenizer=tokenizer, batch_size=16))
    told = {"their_seconds": round(seconds_of_theirs, 1), "ratio": round(seconds_of_theirs / seconds, 2)}
    print(json.dumps({**told, **compared(ours, theirs)}))


def compared(one: list[list[float]], other: list[list[float]]) -> dict[str, Any]:
    """Return the largest difference of a log-likelihood and how many items are answered otherwise."""
    largest = max(abs(a - b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))
    differ = sum(x.index(max(x)) != y.index(max(y)) for x, y in zip(one, other, strict=True))
    return {"largest_difference": largest, "other_choices": differ}


if __name__ == "__main__":
    main()
