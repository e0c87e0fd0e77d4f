"""QLoRA against LoRA over a bfloat16 base: peak memory of the whole process and speed, each in a process of its own.

Without ``--base`` a Llama with random weights is made on the spot (1.07 billion parameters by default), because
memory is saved on the base, and a small base takes less than the process around it. The peak is the operating
system's (``ru_maxrss``): weights mapped from a file count as soon as they are read.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

VARIANTS: dict[str, dict[str, Any]] = {
    "LoRA, bfloat16": {},
    "QLoRA, nf4, double": {"load_in_4bit": True},
    "QLoRA, nf4": {"load_in_4bit": True, "bnb_4bit_use_double_quant": False},
}


def main() -> None:
    """Train with each variant and print figures and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", help="a folder or a name in the catalogue; else a random one is made")
    parser.add_argument(
        "--tokenizer", default="smollm2-135m-instruct", help="base whose tokenizer a random one has"
    )
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=22)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rows", type=int, default=4, help="in a step")
    parser.add_argument("--words", type=int, default=60, help="in an answer")
    parser.add_argument("--scratch", type=Path, help="where the random base is made and kept")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS)[:2])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _train(Path(options.one))
        return
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        scratch = options.scratch or Path(name)
        base = options.base or str(_random_base(scratch / "random-base", options))
        _write_rows(Path(name) / "rows.json", options)
        figures = {v: _measure(Path(name), v, base, options) for v in options.variants}
    first = figures[options.variants[0]]
    print(f"{'':22}{'peak':>10}{'ratio':>8}{'tokens/s':>10}{'ratio':>8}{'loss':>8}")
    for variant, (peak, speed, loss) in figures.items():
        print(
            f"{variant:22}{peak / 1e9:7.2f} GB{peak / first[0]:8.2f}{speed:10.0f}{speed / first[1]:8.2f}{loss:8.3f}"
        )


def _measure(folder: Path, variant: str, base: str, options: argparse.Namespace) -> tuple[int, float, float]:
    """Train in a process of its own; return its peak in bytes, tokens a second after the first step, and the loss."""
    recipe = {
        "name": "bench",
        "runs_dir": str(folder / "runs"),
        "model": {"base": base, "dtype": "bfloat16", **VARIANTS[variant]},
        "data": {"train": [{"path": "rows.json"}], "eval": {}, "max_length": 512},
        "method": {"name": "lora", "r": 8},
        "train": {
            "max_steps": options.steps,
            "per_device_train_batch_size": options.rows,
            "learning_rate": 2e-4,
            "report_to": [],
        },
    }
    path = folder / f"{variant.replace(' ', '')}.json"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(path)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    return told["peak"], told["tokens_per_second"], told["loss"]


def _train(path: Path) -> None:
    """Do the training of a recipe in this process and print its figures as JSON."""
    from luthier.core.events import read_events
    from luthier.pipeline.run import make_plan, run
    from luthier.recipe.load import load

    job = run(make_plan(load(path)), until="train")
    steps = [event for event in read_events(job.folder.events_path) if event["kind"] == "train_step"]
    later = steps[1:] or steps
    figures = {
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "tokens_per_second": sum(step["tokens_per_second"] for step in later) / len(later),
        "loss": steps[-1]["loss"],
    }
    print(json.dumps(figures))


def _write_rows(path: Path, options: argparse.Namespace) -> None:
    text = "the model keeps its weights in four bits and trains two thin matrices beside each of them"
    words = text.split()
    rows = []
    for number in range(options.steps * options.rows):
        answer = " ".join(words[(number + place) % len(words)] for place in range(options.words))
        rows.append({"instruction": f"Say sentence {number}.", "output": answer})
    path.write_text(json.dumps(rows), encoding="utf-8")


def _random_base(folder: Path, options: argparse.Namespace) -> Path:
    """Make a Llama with random weights, of the shape of TinyLlama where nothing is changed; an earlier one is kept."""
    if (folder / "model.safetensors").is_file():
        return folder
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from luthier.models.load import locate_base

    tokenizer = AutoTokenizer.from_pretrained(locate_base(options.tokenizer))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.hidden,
        intermediate_size=options.hidden * 11 // 4,
        num_hidden_layers=options.layers,
        num_attention_heads=options.hidden // 64,
        num_key_value_heads=max(options.hidden // 512, 1),
        max_position_embeddings=2048,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="100GB")
    torch.set_default_dtype(torch.float32)
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
