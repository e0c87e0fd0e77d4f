"""How probable a language model finds texts: a text as a whole, or what follows the same beginning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from luthier.evaluate.examination import Subject
from luthier.evaluate.statistics import Values
from luthier.models.batched_likelihood import Choices, batched_log_likelihoods

# Shapes: N texts.


def continuation_likelihoods(
    model: Any,
    tokenizer: Any,
    texts: Sequence[tuple[str, str]],
    *,
    dtype: torch.dtype,
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[Values, Values]:
    """Return log-likelihoods (nats) of continuations, and the tokens of each.

    Args:
        model: A causal language model in evaluation mode.
        tokenizer: Of the model.
        texts: Beginning and continuation of each; an empty beginning measures the text as a whole, its first token
            after the tokenizer's own beginning, where it has one.
        dtype: Type of the computation.
        on_progress: Told how many texts are done.
    """
    start = _start_token(tokenizer)
    groups: dict[tuple[int, ...], list[tuple[int, list[int]]]] = {}
    for number, (prefix, continuation) in enumerate(texts):
        before = [start, *_ids(tokenizer, prefix)] if prefix else [start]
        # Encoded together, so that the cut between the two is where the model would put it.
        whole = [start, *_ids(tokenizer, prefix + continuation)]
        shared = next(
            (place for place, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b),
            min(len(before), len(whole)),
        )
        cut = max(min(shared, len(whole) - 1), 1)
        groups.setdefault(tuple(whole[:cut]), []).append((number, whole[cut:]))
    found = batched_log_likelihoods(
        model,
        [Choices(prompt, [tokens for _, tokens in members]) for prompt, members in groups.items()],
        dtype=dtype,
        on_progress=on_progress,
    )
    sums_N, counts_N = np.zeros(len(texts)), np.zeros(len(texts))
    for members, likelihoods in zip(groups.values(), found, strict=True):
        for (number, _), likelihood in zip(members, likelihoods, strict=True):
            sums_N[number], counts_N[number] = likelihood.log_likelihood, likelihood.num_tokens
    return sums_N, counts_N


def subject_likelihoods(
    subject: Subject, model: Any, texts: Sequence[tuple[str, str]]
) -> tuple[Values, Values]:
    """Return what `continuation_likelihoods` does, as a subject's model computes it, and tell its progress."""
    return continuation_likelihoods(
        model,
        subject.tokenizer,
        texts,
        dtype=subject.dtype,
        on_progress=lambda done: subject.tell(done, len(texts)),
    )


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _start_token(tokenizer: Any) -> int:
    """Return what stands before a text: without any, the first token would be predicted from nothing."""
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
        if token is not None:
            return int(token)
    return 0
