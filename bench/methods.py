"""A few steps of every method on the same rows: trained parameters, memory, speed and loss, beside LoRA's.

Each method runs in a process of its own, so that its peak memory is its own. Time is processor time of one thread: what
else the machine does changes it little.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

METHODS: dict[str, dict[str, Any]] = {
    "lora": {"name": "lora"},
    "lora, use_rslora, r 64": {"name": "lora", "use_rslora": True, "r": 64},
    "lora, use_dora": {"name": "lora", "use_dora": True},
    "adalora": {"name": "adalora"},
    "ia3": {"name": "ia3"},
    "bottleneck, pfeiffer": {"name": "bottleneck"},
    "bottleneck, houlsby": {"name": "bottleneck", "placement": "houlsby"},
    "prompt": {"name": "prompt"},
    "p_tuning": {"name": "p_tuning"},
    "prefix": {"name": "prefix"},
    "freeze, last 4 layers": {"name": "freeze", "trainable_layers": 4},
    "freeze, gradual": {
        "name": "freeze",
        "unfreeze_every": 2,
        "unfreeze_unit": "steps",
        "unfreeze_layers": 15,
    },
    "full": {"name": "full"},
}
"""What a recipe says of the method; its other keys have their defaults."""

RATES = {"full": 2e-5, "freeze": 5e-5, "ia3": 1e-2, "prompt": 1e-2, "p_tuning": 1e-3, "prefix": 1e-3}
"""Usual learning rates; the others take 1e-3."""

COLUMNS = ("trained", "MB added", "s/step", "time", "memory", "loss before", "loss after")


def main() -> None:
    """Run every method, or the one that a child is for."""
    options = _options()
    if options.only:
        print(json.dumps(_measure(METHODS[options.only], options)))
        return
    figures = {}
    for name in METHODS:
        command = [sys.executable, __file__, "--only", name, *_passed_on(options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
        figures[name] = json.loads(done.stdout.splitlines()[-1])
        print(name, figures[name], file=sys.stderr)
    print(json.dumps(figures) if options.json else _table(figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="conversations in any schema that Luthier reads"
    )
    parser.add_argument("--base", default="smollm2-135m-instruct")
    parser.add_argument("--steps", type=int, default=4, help="timed steps after the first")
    parser.add_argument("--rows", type=int, default=4, help="rows of a step")
    parser.add_argument("--max-length", type=int, default=160)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--only", choices=list(METHODS), help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _passed_on(options: argparse.Namespace) -> list[str]:
    names = ("data", "base", "steps", "rows", "max_length", "dtype")
    return [part for n in names for part in (f"--{n.replace('_', '-')}", str(getattr(options, n)))]


def _measure(method: dict[str, Any], options: argparse.Namespace) -> dict[str, float]:
    """Train on the same rows again and again, so that the loss must fall."""
    import torch
    from pydantic import TypeAdapter

    from luthier.data.tokenizer import load_tokenizer
    from luthier.kernels.accelerate import accelerate
    from luthier.methods.build import build_method
    from luthier.methods.contract import Progress, trained_parameters
    from luthier.models.load import load_model, locate_base
    from luthier.objectives.language_modeling import LanguageModeling
    from luthier.plan.compatibility import TRAITS
    from luthier.recipe.method_sections import Method
    from luthier.recipe.schema import TrainSection
    from luthier.train.optimizer import build_optimizer
    from work import read_rows

    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = locate_base(options.base)
    tokenizer = load_tokenizer(folder)
    count = options.rows * (options.steps + 1)
    rows = [r for _, r in read_rows(options.data, tokenizer, count=count, max_length=options.max_length)]
    dtype = getattr(torch, options.dtype)
    model = load_model(folder, dtype=dtype)
    chosen = build_method(TypeAdapter(Method).validate_python(method))
    model = chosen.apply(model)
    accelerate(model, compute_dtype=dtype, fused_loss=False)
    settings = TrainSection(learning_rate=RATES.get(method["name"], 1e-3), report_to=[])
    trained = trained_parameters(model)
    optimizer = build_optimizer(trained, settings)
    packing = TRAITS[method["name"]].packing is None
    objective = LanguageModeling(encoder=None, packing=packing, pad_token_id=0)  # type: ignore[arg-type]
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def loss_of(batch: Any) -> Any:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return objective.loss(model, batch)

    held = objective.collate(rows[: options.rows])
    with torch.no_grad():
        before = loss_of(held).total.item() / held.num_supervised
    seconds = []
    for step in range(options.steps + 1):
        batch = objective.collate(rows[step * options.rows : (step + 1) * options.rows])
        started = time.process_time()
        model.train()
        chosen.before_step(model, Progress(step, options.steps + 1, options.steps + 1))
        (loss_of(batch).total / batch.num_supervised).backward()
        if (penalty := chosen.penalty(model)) is not None:
            penalty.backward()
        optimizer.step()
        chosen.after_step(model, Progress(step + 1, options.steps + 1, options.steps + 1))
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.process_time() - started)
    model.eval()
    with torch.no_grad():
        after = loss_of(held).total.item() / held.num_supervised
    return {
        "trained": sum(p.numel() for p in trained.values()),
        "seconds": statistics.median(seconds[1:]),
        "grown_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - loaded) / 1024,
        "before": before,
        "after": after,
    }


def _table(figures: dict[str, dict[str, float]]) -> str:
    lora = figures["lora"]
    lines = [f"| method | {' | '.join(COLUMNS)} |", "| --- |" + " ---: |" * len(COLUMNS)]
    for name, f in figures.items():
        cells = [
            f"{f['trained']:,}",
            f"{f['grown_mb']:.0f}",
            f"{f['seconds']:.2f}",
            f"{f['seconds'] / lora['seconds']:.2f}",
            f"{f['grown_mb'] / lora['grown_mb']:.2f}",
            f"{f['before']:.3f}",
            f"{f['after']:.3f}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
