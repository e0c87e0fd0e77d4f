"""One training run of TRL's SFTTrainer on rows that `bench/training.py` prepared; prints its figures as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


class InOrder(SFTTrainer):
    """Takes the rows as they come, so that every engine does the same steps."""

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        return SequentialSampler(self.train_dataset)


def main() -> None:
    """Train and print."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rows = [
        {
            "prompt": row["messages"][:-1],
            "completion": row["messages"][-1:],
        }
        for row in job["rows"]
    ]
    is_bfloat16 = job["dtype"] == "bfloat16"
    dtype = torch.bfloat16 if is_bfloat16 else torch.float32
    model = AutoModelForCausalLM.from_pretrained(job["base"], dtype=dtype if job["rank"] else torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(job["base"])
    config = SFTConfig(
        output_dir=job["folder"],
        per_device_train_batch_size=job["batch_rows"],
        num_train_epochs=1,
        learning_rate=job["learning_rate"],
        lr_scheduler_type="constant",
        max_length=job["max_length"],
        logging_steps=1,
        bf16=is_bfloat16,
        use_cpu=True,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to=[],
        completion_only_loss=True,
        disable_tqdm=True,
    )
    lora = LoraConfig(
        r=job["rank"], lora_alpha=2 * job["rank"], target_modules="all-linear", task_type="CAUSAL_LM"
    )
    trainer = InOrder(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=lora if job["rank"] else None,
    )
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, "losses": losses}))


if __name__ == "__main__":
    main()
