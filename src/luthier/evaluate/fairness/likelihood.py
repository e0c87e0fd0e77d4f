"""How probable a language model finds texts: a text as a whole, or what follows the same beginning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from luthier.data.collate import collate_padded
from luthier.data.example import Example
from luthier.data.length_batches import batches_by_length
from luthier.evaluate.examination import Subject
from luthier.evaluate.statistics import Values

# Shapes: B texts of a batch, T tokens, V vocabulary.


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
    examples = []
    for number, (prefix, continuation) in enumerate(texts):
        before = [start, *_ids(tokenizer, prefix)] if prefix else [start]
        # Encoded together, so that the cut between the two is where the model would put it.
        whole = [start, *_ids(tokenizer, prefix + continuation)]
        shared = next(
            (place for place, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b),
            min(len(before), len(whole)),
        )
        labels = np.asarray(whole, dtype=np.int32)
        masked = labels.copy()
        masked[: max(min(shared, len(whole) - 1), 1)] = -100
        examples.append(Example(labels, masked, "", number))
    sums_N, counts_N = np.zeros(len(texts)), np.array([float(e.num_supervised) for e in examples])
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else start
    done = 0
    for numbers in batches_by_length([len(example.input_ids) for example in examples]) if texts else ():
        batch = collate_padded([examples[number] for number in numbers], pad)
        with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            logits_BTV = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        labels_BT = batch.labels[:, 1:]
        losses_BT = torch.nn.functional.cross_entropy(
            logits_BTV[:, :-1].float().transpose(1, 2), labels_BT, reduction="none", ignore_index=-100
        )
        sums_N[numbers] = -losses_BT.double().sum(dim=1).numpy()
        done += len(numbers)
        on_progress(done)
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
