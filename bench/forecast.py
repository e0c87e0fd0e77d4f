"""What `luthier plan` predicts against what `luthier run` then takes: time and peak memory, case by case."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CASES: dict[str, tuple[str, ...]] = {
    "LoRA": (),
    "LoRA, checkpointing": ("train.gradient_checkpointing=true",),
    "LoRA, budget 2 GB": ("train.memory_budget_gb=2",),
    "last 4 layers": ("method={name: freeze, trainable_layers: 4}",),
    "full": ("method={name: full}", "train.learning_rate=2.0e-5"),
}


def main() -> None:
    """Plan and run every case, and print the figures side by side."""
    options = _options()
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-forecast-") as folder:
        for name in options.cases:
            rows.append({"case": name, **_case(CASES[name], options, Path(folder) / name.replace(" ", "-"))})
            if not options.json:
                print(_line(rows[-1]), flush=True)
    if options.json:
        print(json.dumps(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--data", type=Path, help="rows to train on; default: the quick start's")
    parser.add_argument("--limit", type=int, default=200, help="rows read of --data")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _case(changes: tuple[str, ...], options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    settings = [
        f"runs_dir={folder}",
        "train.num_train_epochs=1",
        "evaluate={num_generations: 0}",
        "gates=[]",
        *changes,
    ]
    if options.data:
        source = {"path": str(options.data.resolve()), "limit": options.limit}
        settings.append(f"data={json.dumps({'train': [source]})}")
    asked = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "luthier"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    planned, _ = _run([*command, "plan", "quickstart", "--json", *asked], environment)
    forecast = json.loads(planned)["forecast"]
    _, peak_bytes = _run([*command, "run", "quickstart", "--until", "train", *asked], environment)
    (events,) = folder.glob("*/events.jsonl")
    times = {event["kind"]: event["time"] for event in map(json.loads, events.read_text().splitlines())}
    return {
        "predicted_seconds": round(forecast["seconds"], 1),
        "said_error": round(forecast["relative_error"], 2),
        "measured_seconds": round(times["train_end"] - times["train_begin"], 1),
        "predicted_gb": round(forecast["peak_bytes"] / 1e9, 2),
        "measured_gb": round(peak_bytes / 1e9, 2),
    }


def _run(command: list[str], environment: dict[str, str]) -> tuple[str, int]:
    """Return what a process printed, and its peak memory in bytes."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            errors.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{errors.read()[-2000:]}")
        out.seek(0)
        return out.read(), usage.ru_maxrss * 1024


def _line(row: dict[str, Any]) -> str:
    seconds = f"{row['predicted_seconds']:7.1f} s ± {row['said_error']:.0%} predicted {row['measured_seconds']:7.1f} s"
    memory = f"{row['predicted_gb']:5.2f} GB predicted {row['measured_gb']:5.2f} GB"
    off = row["predicted_seconds"] / row["measured_seconds"] - 1, row["predicted_gb"] / row["measured_gb"] - 1
    return f"{row['case']:22}{seconds} ({off[0]:+.0%})   {memory} ({off[1]:+.0%})"


if __name__ == "__main__":
    main()
