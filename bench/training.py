"""Train the same rows with Luthier and its peers in turn; print speed and memory as ratios with their spread.

Every engine gets the same base, rows in the same order, rank, batch and learning rate, for one epoch, in a
process of its own. Equal work must give equal loss, so the mean loss is printed too. LLaMA-Factory and LitGPT
run in virtual environments of their own: ``make bench`` makes them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from luthier.data.tokenizer import load_tokenizer
from luthier.models.load import locate_base
from luthier.plan.hardware import detect_hardware
from luthier.train.batches import StepOrder
from work import SHIPPED, gemm_peak, read_rows

HERE = Path(__file__).resolve().parent
PYTHON = {name: HERE / ".venvs" / name / "bin" / "python" for name in ("llamafactory", "litgpt")}
SEED = 42


def main() -> None:
    """Run the engines in turn and print what was measured."""
    options = _options()
    base = locate_base(options.base)
    read = read_rows(
        options.data,
        load_tokenizer(base),
        count=options.rows,
        max_length=options.max_length,
        row_tokens=options.row_tokens,
    )
    rows = [
        {
            "messages": [{"role": m.role, "content": m.content} for m in sample.messages],
            "input_ids": example.input_ids.tolist(),
            "labels": example.labels.tolist(),
        }
        for sample, example in read
    ]
    num_tokens = sum(len(example.input_ids) for _, example in read)
    num_supervised = sum(example.num_supervised for _, example in read)
    measured: dict[str, list[dict[str, Any]]] = {engine: [] for engine in options.engines}
    peak_flops = gemm_peak(getattr(torch, options.dtype))
    for turn in range(options.turns):
        for engine in options.engines:
            figures = _run(engine, rows, base, options)
            measured[engine].append(figures)
            rate = num_tokens / figures["seconds"]
            print(
                f"turn {turn + 1}  {engine:14} {rate:8,.0f} tokens/s  {figures['peak_bytes'] / 1e9:5.1f} GB",
                file=sys.stderr,
            )
    peak_flops = max(peak_flops, gemm_peak(getattr(torch, options.dtype)))
    _print(measured, num_tokens, num_supervised, peak_flops, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--engines",
        nargs="+",
        default=["luthier", "trl", "llamafactory", "litgpt"],
        help="the first is compared",
    )
    parser.add_argument("--data", type=Path, default=SHIPPED, help="rows in any schema that Luthier reads")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--base", default="smollm2-135m-instruct")
    parser.add_argument(
        "--rank", type=int, default=8, help="LoRA rank on all linear layers; 0 trains all weights"
    )
    parser.add_argument(
        "--dtype",
        choices=("bfloat16", "float32"),
        default="bfloat16" if detect_hardware().has_native_bfloat16 else "float32",
        help="of all engines; a processor that does not multiply bfloat16 natively takes minutes a step in it",
    )
    parser.add_argument("--batch-rows", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--row-tokens", type=int, help="make rows of about this length out of the file's")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _run(engine: str, rows: list[dict[str, Any]], base: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run one engine in a process of its own."""
    order = StepOrder(len(rows), options.batch_rows, SEED)
    # Luthier permutes the rows itself; its peers are given them in that order.
    permuted = [rows[number] for step in range(order.steps_per_epoch) for number in order.rows(step)]
    with tempfile.TemporaryDirectory(prefix=f"bench-{engine}-") as folder:
        job = {
            "rows": [{"messages": row["messages"]} for row in (rows if engine == "luthier" else permuted)],
            "examples": [{name: row[name] for name in ("input_ids", "labels")} for row in permuted],
            "base": str(base),
            "folder": folder,
            "rank": options.rank,
            "dtype": options.dtype,
            "batch_rows": options.batch_rows,
            "max_length": options.max_length,
            "learning_rate": 2e-4 if options.rank else 2e-5,
        }
        path = Path(folder) / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        python = PYTHON.get(engine, Path(sys.executable))
        script = HERE / "engines" / f"{engine}_engine.py"
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run(
            [python, script, path], capture_output=True, text=True, env=environment, check=False
        )
    if done.returncode:
        sys.exit(f"{engine} failed:\n{done.stderr[-3000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def _print(
    measured: dict[str, list[dict[str, Any]]],
    num_tokens: int,
    num_supervised: int,
    peak_flops: float,
    options: argparse.Namespace,
) -> None:
    first = options.engines[0]
    result: dict[str, Any] = {
        "rows": options.rows, "tokens": num_tokens, "supervised_tokens": num_supervised, "rank": options.rank,
        "gemm_peak_gflops": round(peak_flops / 1e9), "engines": {},
    }  # fmt: skip
    for engine, runs in measured.items():
        ratios = [
            theirs["seconds"] / ours["seconds"] for ours, theirs in zip(measured[first], runs, strict=True)
        ]
        result["engines"][engine] = {
            "tokens_per_second": round(num_tokens / statistics.median(r["seconds"] for r in runs)),
            f"times_slower_than_{first}": [round(r, 2) for r in sorted(ratios)],
            "peak_memory_gb": round(statistics.median(r["peak_bytes"] for r in runs) / 1e9, 2),
            "mean_loss": round(statistics.fmean(runs[-1]["losses"]), 4),
            "losses": [round(loss, 4) for loss in runs[-1]["losses"]],
        }
    if options.json:
        print(json.dumps(result))
        return
    print(f"{options.rows} rows, {num_tokens:,} tokens, {num_supervised:,} supervised; {options.turns} turns")
    print(f"GEMM peak of this machine, {options.dtype}: {result['gemm_peak_gflops']:,} GFLOP/s")
    print(f"{'engine':14}{'tokens/s':>10}{'slower than ' + first:>28}{'peak GB':>10}{'mean loss':>12}")
    for engine, figures in result["engines"].items():
        low, *_, high = [*figures[f"times_slower_than_{first}"]] * 2
        print(
            f"{engine:14}{figures['tokens_per_second']:>10,}{f'{low} to {high}':>28}"
            f"{figures['peak_memory_gb']:>10}{figures['mean_loss']:>12}"
        )


if __name__ == "__main__":
    main()
