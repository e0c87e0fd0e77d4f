"""One training run of Luthier on rows that `bench/training.py` prepared; prints its figures as JSON."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import yaml

from luthier.core.events import read_events
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load


def main() -> None:
    """Train and print."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(json.dumps(row, ensure_ascii=False) for row in job["rows"])
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    method = (
        {"name": "lora", "r": job["rank"], "lora_alpha": 2 * job["rank"]} if job["rank"] else {"name": "full"}
    )
    recipe = {
        "name": "bench",
        "runs_dir": str(folder / "runs"),
        "model": {"base": job["base"], "dtype": job["dtype"]},
        "data": {
            "train": [{"path": "rows.jsonl"}],
            "eval": {},
            "clean": {"deduplicate": "off"},
            "max_length": job["max_length"],
        },
        "method": method,
        "train": {
            "learning_rate": job["learning_rate"],
            "lr_scheduler_type": "constant",
            "warmup_steps": 0,
            "per_device_train_batch_size": job["batch_rows"],
            "report_to": [],
        },
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    done = run(make_plan(load(path)), until="train", fresh=True)
    steps = [event for event in read_events(done.folder.events_path) if event["kind"] == "train_step"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures = {
        "seconds": done.trained.seconds,
        "peak_bytes": peak,
        "losses": [event["loss"] for event in steps],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
