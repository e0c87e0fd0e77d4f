"""Measure training steps of one model: tokens a second, peak memory, share of this machine's GEMM peak."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from luthier.data.collate import Batch, collate_packed, collate_padded
from luthier.data.example import Example
from luthier.kernels.accelerate import accelerate
from luthier.kernels.causal_loss import causal_lm_loss
from luthier.kernels.shared_prefixes import SharedPrefixes
from work import SHIPPED, gemm_peak, read_rows


def main() -> None:
    """Run the steps and print the figures."""
    options = _options()
    torch.manual_seed(0)
    model, tokenizer = _model(options)
    rows = read_rows(options.data, tokenizer, count=options.rows, max_length=options.tokens)
    examples = [example for _, example in rows]
    batches = _batches(examples, options, tokenizer.pad_token_id or 0)
    acceleration = None
    if not options.plain:
        acceleration = accelerate(
            model, compute_dtype=torch.bfloat16 if options.dtype == "bfloat16" else None
        )
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    peaks = [gemm_peak(getattr(torch, options.dtype)) / 1e9]
    losses, seconds = [], []
    with torch.profiler.profile() if options.profile else _Nothing() as profiler:
        for batch in batches:
            start = time.perf_counter()
            losses.append(_step(model, optimizer, batch, options))
            seconds.append(time.perf_counter() - start)
    peaks.append(gemm_peak(getattr(torch, options.dtype)) / 1e9)
    if options.profile:
        print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=options.profile))
    figures = _figures(model, batches, seconds, losses, max(peaks), options)
    if options.json:
        print(json.dumps(figures))
        return
    print(*(f"{name:28} {value}" for name, value in figures.items()), acceleration or "", sep="\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct", help="folder or catalogue name")
    parser.add_argument("--data", type=Path, default=SHIPPED, help="rows in any schema that Luthier reads")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=2048, help="tokens of a packed micro-batch")
    parser.add_argument("--batch", type=int, default=8, help="rows of a padded micro-batch (--plain)")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument(
        "--rank", type=int, default=8, help="LoRA rank on all linear layers; 0 trains all weights"
    )
    parser.add_argument("--plain", action="store_true", help="unpatched transformers and PEFT")
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing")
    parser.add_argument(
        "--profile", type=int, default=0, metavar="ROWS", help="print the costliest operations"
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _model(options: argparse.Namespace) -> tuple[Any, Any]:
    from transformers import AutoTokenizer

    from luthier.models.load import load_model, locate_base

    folder = locate_base(options.model)
    # Full fine-tuning keeps float32 masters; autocast or the fast path computes in bfloat16.
    dtype = torch.bfloat16 if options.dtype == "bfloat16" and options.rank else torch.float32
    model: Any = load_model(folder, dtype=dtype).train()
    if options.checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if options.rank:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(r=options.rank, lora_alpha=2 * options.rank, target_modules="all-linear")
        model = get_peft_model(model, config)
    return model, AutoTokenizer.from_pretrained(folder)


def _batches(examples: Sequence[Example], options: argparse.Namespace, pad_token_id: int) -> list[Batch]:
    if options.plain:
        starts = range(0, len(examples), options.batch)
        return [collate_padded(examples[i : i + options.batch], pad_token_id) for i in starts]
    groups: list[list[Example]] = [[]]
    for example in examples:
        if groups[-1] and sum(len(e.input_ids) for e in (*groups[-1], example)) > options.tokens:
            groups.append([])
        groups[-1].append(example)
    return [collate_packed(group) for group in groups]


def _step(model: Any, optimizer: torch.optim.Optimizer, batch: Batch, options: argparse.Namespace) -> float:
    if options.plain:
        with torch.autocast("cpu", torch.bfloat16, enabled=options.dtype == "bfloat16" and not options.rank):
            outputs = model(batch.input_ids, batch.attention_mask, labels=batch.labels, use_cache=False)
        mean = outputs.loss
    else:
        total, num_items = causal_lm_loss(model, batch)
        mean = total / num_items
    mean.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(mean)


def _figures(
    model: Any, batches: Sequence[Batch], seconds: list[float], losses: list[float], peak: float, options: Any
) -> dict[str, Any]:
    tokens = [
        int(b.attention_mask.sum()) if b.attention_mask is not None else b.input_ids.numel() for b in batches
    ]
    supervised = [b.num_supervised for b in batches]
    base = model.get_base_model() if options.rank else model
    head = base.get_output_embeddings().weight.numel()
    layers = sum(
        p.numel() for n, p in base.named_parameters() if p.dim() == 2 and "embed" not in n and "lora" not in n
    )
    layers -= head if not base.config.tie_word_embeddings else 0
    # Forward, gradient of the inputs, and with all weights training the gradient of the weights.
    passes = 2 if options.rank else 3
    computed = tokens if options.plain else [_num_computed(b) for b in batches]
    work = [2 * passes * (layers * n + head * m) for n, m in zip(computed, supervised, strict=True)]
    first = 1 if len(seconds) > 1 else 0  # the first step also fills caches and allocates
    rate = sum(work[first:]) / sum(seconds[first:]) / 1e9
    return {
        "path": "plain" if options.plain else "fast",
        "tokens_per_second": round(sum(tokens[first:]) / sum(seconds[first:]), 1),
        "median_step_tokens_per_second": round(
            statistics.median(t / s for t, s in zip(tokens[first:], seconds[first:], strict=True)), 1
        ),
        "share_of_gemm_peak": round(rate / peak, 3),
        "gemm_peak_gflops": round(peak),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
        "tokens": sum(tokens),
        "computed_tokens": sum(computed),
        "mean_loss": round(float(np.average(losses, weights=supervised)), 4),
        "threads": torch.get_num_threads(),
    }


def _num_computed(batch: Batch) -> int:
    """Return the tokens that go through the layers: beginnings that rows share go through once."""
    shared = SharedPrefixes.find(batch.input_ids[0], batch.position_ids[0], batch.cu_seqlens.tolist())
    return batch.input_ids.numel() if shared is None else len(shared.computed_M)


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


if __name__ == "__main__":
    sys.exit(main())
