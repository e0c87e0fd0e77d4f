"""One training run of LitGPT on rows that `bench/training.py` prepared; prints its figures as JSON."""

from __future__ import annotations

import contextlib
import csv
import json
import resource
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from litgpt.args import EvalArgs, TrainArgs
from litgpt.data.base import DataModule, get_sft_collate_fn
from litgpt.finetune import full, lora
from litgpt.prompts import Default
from litgpt.scripts.convert_hf_checkpoint import convert_hf_checkpoint
from torch.utils.data import DataLoader


class Rows(DataModule):
    """The rows as Luthier encodes them: LitGPT's own templates are others than the model's."""

    def __init__(self, examples: list[dict[str, list[int]]], batch_rows: int) -> None:
        super().__init__()
        self.prompt_style = Default()
        self._batch_rows = batch_rows
        # LitGPT generates an answer to the first instruction of a test set after training.
        self.test_dataset = SimpleNamespace(data=[{"instruction": "Hello"}])
        self._rows = [
            {
                "input_ids": torch.tensor(example["input_ids"]),
                "labels": torch.tensor(example["labels"]),
                "token_counts": dict.fromkeys(("raw", "raw_plus_prompt_template"), len(example["input_ids"])),
            }
            for example in examples
        ]

    def connect(self, *args: Any, **kwargs: Any) -> None:
        """Nothing depends on the tokenizer."""

    def train_dataloader(self) -> DataLoader:
        """Return the rows in the order of the job."""
        return DataLoader(self._rows, batch_size=self._batch_rows, collate_fn=get_sft_collate_fn())

    def val_dataloader(self) -> DataLoader:
        """Return two rows: LitGPT insists on looking at some."""
        return DataLoader(self._rows[:2], batch_size=1, collate_fn=get_sft_collate_fn())


def main() -> None:
    """Convert the base, train and print."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(job["folder"])
    is_bfloat16 = job["dtype"] == "bfloat16"
    base = folder / "base"
    shutil.copytree(job["base"], base)
    settings: dict[str, Any] = {
        "checkpoint_dir": base,
        "out_dir": folder / "out",
        "data": Rows(job["examples"], job["batch_rows"]),
        "train": TrainArgs(
            save_interval=None,
            global_batch_size=job["batch_rows"],
            micro_batch_size=job["batch_rows"],
            lr_warmup_steps=1,  # it divides by them; the first step then has a rate of 0
            epochs=1,
        ),
        "eval": EvalArgs(interval=10**9, max_new_tokens=1, max_iters=1, final_validation=False),
        "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": job["learning_rate"]}},
    }
    with contextlib.redirect_stdout(sys.stderr):
        # The merge after training reads the arguments of LitGPT's own command line, which this process has not.
        lora.merge_lora = lambda **_: None
        convert_hf_checkpoint(base, model_name="SmolLM2-135M-Instruct")
        if job["rank"]:
            parts = dict.fromkeys(("query", "key", "value", "projection", "mlp"), True)
            lora.setup(
                **settings,
                precision="bf16-true" if is_bfloat16 else "32-true",
                lora_r=job["rank"],
                lora_alpha=2 * job["rank"],
                lora_dropout=0.0,
                **{f"lora_{part}": value for part, value in parts.items()},
            )
        else:
            full.setup(**settings, precision="bf16-mixed" if is_bfloat16 else "32-true")
    (log,) = folder.glob("out/logs/csv/*/metrics.csv")
    with log.open(encoding="utf-8") as file:
        steps = [row for row in csv.DictReader(file) if row.get("iter_time")]
    figures = {
        "seconds": sum(float(row["iter_time"]) for row in steps),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "losses": [float(row["loss"]) for row in steps],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
