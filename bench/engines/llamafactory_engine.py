"""One training run of LLaMA-Factory on rows that `bench/training.py` prepared; prints its figures as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    """Train and print."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.json").write_text(json.dumps(job["rows"], ensure_ascii=False), encoding="utf-8")
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    info = {
        "bench": {
            "file_name": "rows.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": tags,
        }
    }
    (folder / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    from llamafactory.train.tuner import run_exp

    settings = {
        "model_name_or_path": job["base"],
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora" if job["rank"] else "full",
        "dataset": "bench",
        "dataset_dir": str(folder),
        "template": "smollm2",
        "cutoff_len": job["max_length"],
        "output_dir": str(folder / "out"),
        "per_device_train_batch_size": job["batch_rows"],
        "learning_rate": job["learning_rate"],
        "lr_scheduler_type": "constant",
        "num_train_epochs": 1.0,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "bf16": job["dtype"] == "bfloat16",
        "use_cpu": True,
        "disable_shuffling": True,
        "disable_gradient_checkpointing": job["rank"] == 0,
        "overwrite_cache": True,
        "preprocessing_num_workers": 1,
        "disable_tqdm": True,
    }
    if job["rank"]:
        settings |= {"lora_rank": job["rank"], "lora_alpha": 2 * job["rank"], "lora_target": "all"}
    started = time.perf_counter()
    run_exp(settings)
    state = json.loads((folder / "out" / "trainer_state.json").read_text(encoding="utf-8"))
    final = state["log_history"][-1]
    losses = [entry["loss"] for entry in state["log_history"] if "loss" in entry]
    seconds = final.get("train_runtime", time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, "losses": losses}))


if __name__ == "__main__":
    main()
