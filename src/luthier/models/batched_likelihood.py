"""Log-likelihoods of continuations of many prompts, several prompts in a forward pass, no logits kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from luthier.models.log_likelihood import Likelihood, Tree, likelihood_of, parts_of, sight_of, tree_of

# Shapes: B prompts, P tokens of the longest, S nodes of the largest tree, T = P + S, V vocabulary.

_AUTO_TOKENS = 2048
_AUTO_LOGITS = 512
"""With batch_size None: tokens of a forward pass, and positions whose logits it computes (100 MB at V = 50,000)."""


@dataclass(frozen=True)
class Choices:
    """Continuations of one prompt.

    Args:
        prompt: Token ids, at least one.
        continuations: Token ids of each, at least one.
    """

    prompt: Sequence[int]
    continuations: Sequence[Sequence[int]]


@dataclass(frozen=True)
class _Part:
    """What one row of a batch computes: some continuations of a prompt, as a tree."""

    group: int
    places: Sequence[int]
    prompt: Sequence[int]
    continuations: Sequence[Sequence[int]]
    tree: Tree

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.tree.tokens)


@torch.no_grad()
def batched_log_likelihoods(
    model: Any,
    groups: Sequence[Choices],
    *,
    batch_size: int | None = None,
    dtype: torch.dtype | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[list[Likelihood]]:
    """Measure the continuations of many prompts; a prompt, and what its continuations begin with alike, counts once.

    Rows of a batch see nothing of each other, so its size changes no result beyond rounding.

    Args:
        model: A causal language model in evaluation mode.
        groups: Prompts with their continuations.
        batch_size: Prompts of a forward pass; None fills it to a number of tokens.
        dtype: Type that the computation is cast to; None, float32 and the weights' own type cast nothing.
        on_progress: Told how many continuations are done.

    Raises:
        ValueError: A prompt or continuation has no token.

    Reference: equals ``loglikelihood`` of lm-evaluation-harness, request by request.
    """
    if any(not group.prompt or not all(group.continuations) for group in groups):
        raise ValueError("a prompt and each continuation need a token")
    found: list[list[Likelihood | None]] = [[None] * len(group.continuations) for group in groups]
    done = 0
    for batch in _batches(_all_parts(groups), batch_size):
        for part, after_SV in zip(batch, _after(model, batch, dtype), strict=True):
            for place, path, tokens in zip(part.places, part.tree.paths, part.continuations, strict=True):
                found[part.group][place] = likelihood_of(after_SV, path, tokens)
            done += len(part.places)
        on_progress(done)
    return [[each for each in group if each is not None] for group in found]


def _all_parts(groups: Sequence[Choices]) -> list[_Part]:
    parts = []
    for number, group in enumerate(groups):
        start = 0
        for continuations in parts_of(group.continuations):
            places = range(start, start + len(continuations))
            parts.append(_Part(number, places, group.prompt, continuations, tree_of(continuations)))
            start += len(continuations)
    return parts


def _batches(parts: Sequence[_Part], batch_size: int | None) -> Iterator[list[_Part]]:
    """Yield parts of similar length together, the longest first: what does not fit in memory fails at once."""
    batch: list[_Part] = []
    for part in sorted(parts, key=lambda each: each.length, reverse=True):
        nodes = max((len(each.tree.tokens) for each in [*batch, part]), default=0)
        is_full = len(batch) == batch_size
        if batch_size is None and batch:
            size = len(batch) + 1
            is_full = size * batch[0].length > _AUTO_TOKENS or size * (nodes + 1) > _AUTO_LOGITS
        if is_full:
            yield batch
            batch = []
        batch.append(part)
    if batch:
        yield batch


def _after(model: Any, batch: Sequence[_Part], dtype: torch.dtype | None) -> Iterator[Tensor]:
    """Yield for each row the log-probabilities after each node, and last after the prompt, shape [S + 1, V].

    Prompts end in one column and nodes begin in the next, so that the logits that count stand together.
    """
    longest = max(len(part.prompt) for part in batch)
    nodes = max(len(part.tree.tokens) for part in batch)
    total, own = longest + nodes, next(model.parameters()).dtype
    is_cast = dtype not in (None, own, torch.float32)
    tokens_BT = torch.zeros(len(batch), total, dtype=torch.long)
    positions_BT = torch.zeros(len(batch), total, dtype=torch.long)
    sees_BTT = torch.eye(total, dtype=torch.bool).repeat(len(batch), 1, 1)  # padding sees itself
    for row, part in enumerate(batch):
        length, size = len(part.prompt), len(part.tree.tokens)
        start, end = longest - length, longest + size
        sees, depths = sight_of(part.tree)
        tokens_BT[row, start:end] = torch.tensor([*part.prompt, *part.tree.tokens])
        positions_BT[row, start:end] = torch.tensor([*range(length), *(length + depth for depth in depths)])
        sees_BTT[row, start:longest, start:longest] = torch.ones(length, length, dtype=torch.bool).tril()
        sees_BTT[row, longest:end, start:longest] = True
        sees_BTT[row, longest:end, longest:end] = sees
    mask = torch.zeros(len(batch), 1, total, total, dtype=dtype if is_cast else own)
    mask.masked_fill_(~sees_BTT[:, None], torch.finfo(mask.dtype).min)
    with torch.autocast(mask.device.type, dtype if is_cast else None, enabled=is_cast):
        logits_BSV = model(
            input_ids=tokens_BT,
            attention_mask=mask,
            position_ids=positions_BT,
            use_cache=False,
            logits_to_keep=nodes + 1,
        ).logits
    for row, part in enumerate(batch):
        size = len(part.tree.tokens)
        after_SV = logits_BSV[row, : size + 1].float().log_softmax(dim=-1)
        yield torch.cat([after_SV[1:], after_SV[:1]])
