"""What the benchmarks share: the rows as Luthier encodes them, and what this machine can compute at best."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from itertools import count as count_from_zero
from pathlib import Path
from typing import Any

import torch

from luthier.data.encode import ChatEncoder
from luthier.data.example import Example
from luthier.data.read import read_source
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.recipe.source_section import Source

SHIPPED = Path(__file__).resolve().parents[1] / "src/luthier/recipe/shipped/quickstart/train.jsonl"
"""The rows that every checkout has."""

_TEMPLATE_TOKENS = 40
"""Room for what the chat template adds."""


def read_rows(
    path: Path, tokenizer: Any, *, count: int, max_length: int, row_tokens: int | None = None
) -> list[tuple[Sample, Example]]:
    """Return the first rows that fit, as read and as trained.

    Args:
        path: Rows in any schema that Luthier reads.
        tokenizer: Of the base.
        count: Rows wanted; fewer end the program.
        max_length: Longest row in tokens; longer ones are passed over.
        row_tokens: Make rows of about this length out of those of the file, which is read again when it ends.
    """
    encode = ChatEncoder(ChatTemplate(tokenizer), loss_on="assistant", max_length=max_length, too_long="drop")
    rows: list[tuple[Sample, Example]] = []
    samples = _samples(path) if row_tokens is None else _lengthened(path, tokenizer, row_tokens)
    for sample in samples:
        encoded = encode(sample)
        if isinstance(encoded, list):
            rows.append((sample, encoded[0]))
        if len(rows) == count:
            return rows
    sys.exit(f"{path} has only {len(rows)} rows of at most {max_length} tokens")


def _samples(path: Path) -> Iterator[Sample]:
    for entry in read_source(Source(path=path.name), path.resolve().parent):
        if isinstance(entry, Sample):
            yield entry


def _lengthened(path: Path, tokenizer: Any, row_tokens: int) -> Iterator[Sample]:
    """Yield conversations of one turn whose answer goes on with the next rows of the file, without end."""
    samples = chain.from_iterable(_samples(path) for _ in count_from_zero())
    for number in count_from_zero(1):
        first = next(samples)
        answer: list[int] = []
        room = row_tokens - len(tokenizer(first.messages[-2].content)["input_ids"]) - _TEMPLATE_TOKENS
        while len(answer) < room:
            answer += tokenizer("\n\n".join(turn.content for turn in next(samples).messages))["input_ids"]
        text = tokenizer.decode(answer[: max(room, 8)])
        yield replace(first, row=number, messages=(first.messages[-2], Message("assistant", text)))


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
