"""Perplexity over the same rows: Luthier's held-out loss against Hugging Face's loops, in turn, in one run.

Usage: python bench/evaluation.py ../shared/data/instruction/alpaca_en_demo.json --rows 64 --turns 3

The peers are `Trainer.evaluate` as transformers sets it up (rows in file order, 8 a batch, padded to the longest), and
the loop of the `evaluate` library's perplexity metric (16 a batch, in file order, cross-entropy over the logits of all
positions). All three see the same tokens and labels in the same type, and must agree on the loss. Prints rows per
second of each, and the ratios turn by turn, so that what else the machine does bears on both sides alike.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from luthier.data.example import IGNORED, Example, Rejection
from luthier.data.read import read_source
from luthier.data.sample import Sample
from luthier.data.template import ChatTemplate
from luthier.data.tokenizer import load_tokenizer
from luthier.evaluate.loss import row_losses
from luthier.models.load import load_model, locate_base
from luthier.objectives.build import build_objective
from luthier.recipe.objective_sections import SftObjective
from luthier.recipe.schema import DataSection
from luthier.recipe.source_section import Source


def main() -> None:
    """Print the comparison as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    options = parser.parse_args()
    base, dtype = locate_base(options.model), getattr(torch, options.dtype)
    model, tokenizer = load_model(base, dtype=dtype), load_tokenizer(base)
    data = DataSection(train=[Source(path=str(options.data.resolve()))], max_length=512)
    objective = build_objective(SftObjective(), ChatTemplate(tokenizer), data, packing=True)
    rows = encoded(data.train[0], objective.encoder, options.rows)
    pad = tokenizer.pad_token_id or 0
    loops: dict[str, Callable[[], float]] = {
        "luthier": lambda: row_losses(model, objective, rows, dtype=dtype).mean,
        "trainer": lambda: trainer_loss(model, rows, pad),
        "evaluate": lambda: perplexity_loop(model, rows, pad),
    }
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    losses: dict[str, float] = {}
    for turn in range(options.turns + 1):
        for name, loop in loops.items():
            begin = time.perf_counter()
            losses[name] = loop()
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - begin)
    told: dict[str, Any] = {
        "rows": len(rows),
        "tokens": sum(len(row.input_ids) for row in rows),
        "losses": losses,
    }
    for name, taken in seconds.items():
        told[name] = {"rows_per_second": round(len(rows) / statistics.median(taken), 2)}
        ratios = [theirs / ours for ours, theirs in zip(seconds["luthier"], taken, strict=True)]
        told[name]["times_slower"] = [
            round(value, 2) for value in (min(ratios), statistics.median(ratios), max(ratios))
        ]
    print(json.dumps(told, indent=1))
    assert max(losses.values()) - min(losses.values()) < 0.01, "the loops do not measure the same"


def encoded(source: Source, encoder: Any, count: int) -> list[Example]:
    """Return the first rows, encoded."""
    rows: list[Example] = []
    for entry in read_source(source, Path()):
        if isinstance(entry, Sample) and not isinstance(result := encoder(entry), Rejection):
            rows += result
        if len(rows) >= count:
            break
    return rows[:count]


def padded(rows: Sequence[Example], pad: int) -> dict[str, torch.Tensor]:
    """Return a batch padded on the right to its longest row."""
    longest = max(len(row.input_ids) for row in rows)
    tokens = torch.full((len(rows), longest), pad, dtype=torch.long)
    labels = torch.full((len(rows), longest), IGNORED, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for number, row in enumerate(rows):
        size = len(row.input_ids)
        tokens[number, :size] = torch.from_numpy(row.input_ids).long()
        labels[number, :size] = torch.from_numpy(row.labels).long()
        mask[number, :size] = 1
    return {"input_ids": tokens, "labels": labels, "attention_mask": mask}


def trainer_loss(model: Any, rows: Sequence[Example], pad: int) -> float:
    """Return the loss by `Trainer.evaluate`: the mean over batches of their means, so weighted again by tokens."""
    from transformers import Trainer, TrainingArguments

    sums = [0.0, 0]

    class Counting(Trainer):
        def prediction_step(self, model: Any, inputs: Any, *arguments: Any, **options: Any) -> Any:
            count = int((inputs["labels"][:, 1:] != IGNORED).sum())
            loss, logits, labels = super().prediction_step(model, inputs, *arguments, **options)
            sums[0] += float(loss) * count
            sums[1] += count
            return loss, logits, labels

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder, per_device_eval_batch_size=8, report_to=[], use_cpu=True, disable_tqdm=True,
            remove_unused_columns=False,
        )  # fmt: skip
        trainer = Counting(
            model, settings, eval_dataset=list(rows), data_collator=lambda batch: padded(batch, pad)
        )
        trainer.evaluate()
    return sums[0] / sums[1]


def perplexity_loop(model: Any, rows: Sequence[Example], pad: int) -> float:
    """Return the loss by the steps of the `evaluate` library's perplexity: batches of 16, all logits at once."""
    total, count = 0.0, 0
    for start in range(0, len(rows), 16):
        batch = padded(rows[start : start + 16], pad)
        labels = batch.pop("labels")[:, 1:]
        with torch.no_grad():
            logits = model(**batch).logits[:, :-1].contiguous()
        losses = torch.nn.functional.cross_entropy(
            logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
        )
        total += float(losses.sum())
        count += int((labels != IGNORED).sum())
    assert math.isfinite(total)
    return total / count


if __name__ == "__main__":
    main()
