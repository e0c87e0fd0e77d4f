"""Classification steps of the MiniLM encoder: plain transformers with padding against the fast path, in turn."""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

from luthier.kernels.accelerate import accelerate
from luthier.models.load import locate_base


def main() -> None:
    """Time both and print rows a second and their ratio."""
    options = _options()
    batches, num_labels = _batches(options)
    engines = {name: _Engine(name == "fast", num_labels, options) for name in ("plain", "fast")}
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for engine in engines.values():
        engine.step(batches[0])
    losses: dict[str, list[float]] = {name: [] for name in engines}
    for number, batch in enumerate(batches):
        order = list(engines) if number % 2 else list(reversed(engines))
        for name in order:
            started = time.perf_counter()
            losses[name].append(engines[name].step(batch))
            seconds[name].append(time.perf_counter() - started)
    ratios = sorted(p / f for p, f in zip(seconds["plain"], seconds["fast"], strict=True))
    num_real = sum(int(batch["attention_mask"].sum()) for batch in batches)
    figures = {
        "rows_per_second": {
            name: round(options.batch_rows / statistics.median(s), 1) for name, s in seconds.items()
        },
        "times_faster": round(statistics.median(ratios), 2),
        "middle_half": [round(ratios[len(ratios) // 4], 2), round(ratios[-len(ratios) // 4], 2)],
        "mean_loss": {name: round(statistics.fmean(values), 4) for name, values in losses.items()},
        "padding": round(1 - num_real / sum(batch["input_ids"].numel() for batch in batches), 3),
    }
    print(json.dumps(figures) if options.json else "\n".join(f"{k:18}{v}" for k, v in figures.items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="CSV with the text and the label in its columns"
    )
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="category")
    parser.add_argument("--base", default="minilm", help="an encoder: folder or catalogue name")
    parser.add_argument("--batch-rows", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


class _Engine:
    def __init__(self, is_fast: bool, num_labels: int, options: argparse.Namespace) -> None:
        from transformers import AutoModelForSequenceClassification

        torch.manual_seed(0)
        self._model: Any = AutoModelForSequenceClassification.from_pretrained(
            locate_base(options.base), num_labels=num_labels, dtype=torch.float32
        ).train()
        self._dtype = getattr(torch, options.dtype)
        self._is_fast = is_fast
        if is_fast:
            print(accelerate(self._model, compute_dtype=self._dtype), file=sys.stderr)
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=2e-5)

    def step(self, batch: dict[str, torch.Tensor]) -> float:
        """Do one optimizer step; plain bfloat16 is autocast over float32 weights, as in Trainer."""
        autocast = not self._is_fast and self._dtype != torch.float32
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = self._model(**batch).loss
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(loss.detach())


def _batches(options: argparse.Namespace) -> tuple[list[dict[str, torch.Tensor]], int]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(locate_base(options.base))
    with options.data.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row[options.label] for row in rows})
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    batches = []
    for step in range(options.steps):
        chosen = [rows[i] for i in order[step * options.batch_rows : (step + 1) * options.batch_rows]]
        encoded = tokenizer(
            [row[options.text] for row in chosen], padding=True, truncation=True, return_tensors="pt"
        )
        labels = torch.tensor([names.index(row[options.label]) for row in chosen])
        batches.append({**encoded, "labels": labels})
    return batches, len(names)


if __name__ == "__main__":
    main()
