"""What the benchmarks share: the rows as Luthier encodes them, and what this machine can compute at best."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch

from luthier.data.encode import ChatEncoder
from luthier.data.example import Example
from luthier.data.read import read_source
from luthier.data.sample import Sample
from luthier.data.template import ChatTemplate
from luthier.recipe.schema import Source

SHIPPED = Path(__file__).resolve().parents[1] / "src/luthier/recipe/shipped/quickstart/train.jsonl"
"""The rows that every checkout has."""


def read_rows(path: Path, tokenizer: Any, *, count: int, max_length: int) -> list[tuple[Sample, Example]]:
    """Return the first rows that fit, as read and as trained.

    Args:
        path: Rows in any schema that Luthier reads.
        tokenizer: Of the base.
        count: Rows wanted; fewer end the program.
        max_length: Longest row in tokens; longer ones are passed over.
    """
    encode = ChatEncoder(ChatTemplate(tokenizer), loss_on="assistant", max_length=max_length, too_long="drop")
    rows: list[tuple[Sample, Example]] = []
    for sample in read_source(Source(path=path.name), path.resolve().parent):
        encoded = encode(sample) if isinstance(sample, Sample) else None
        if isinstance(sample, Sample) and isinstance(encoded, list):
            rows.append((sample, encoded[0]))
        if len(rows) == count:
            return rows
    sys.exit(f"{path} has only {len(rows)} rows of at most {max_length} tokens")


def gemm_peak(dtype: torch.dtype) -> float:
    """Return the best FLOP/s of a square matrix product, now."""
    left, right = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
    torch.mm(left, right)
    seconds = []
    for _ in range(15):
        started = time.perf_counter()
        torch.mm(left, right)
        seconds.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(seconds)
