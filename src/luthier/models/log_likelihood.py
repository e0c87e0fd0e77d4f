"""Log-likelihood: how probable a model thinks each of several continuations of a prompt is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Shapes: P tokens of the prompt, S nodes of the tree, V vocabulary.

_NODES_AT_ONCE = 1024
"""Nodes of one forward pass; their logits take 200 MB with a vocabulary of 50,000."""


@dataclass(frozen=True)
class Likelihood:
    """How probable a continuation is.

    Args:
        log_likelihood: Natural logarithm of the probability of all its tokens.
        num_tokens: How many those are.
        is_greedy: Whether greedy decoding would write it.
    """

    log_likelihood: float
    num_tokens: int
    is_greedy: bool


class Tree(NamedTuple):
    """Beginnings of continuations, each once: continuations that begin alike share what they begin with.

    Args:
        tokens: Of each node.
        parents: Node before it, -1 for the prompt.
        paths: Of each continuation: the node before each of its tokens.
    """

    tokens: list[int]
    parents: list[int]
    paths: list[list[int]]


@torch.no_grad()
def log_likelihoods(
    model: Any, prompt: Sequence[int], continuations: Sequence[Sequence[int]]
) -> list[Likelihood]:
    """Measure several continuations of one prompt; the prompt, and what they begin with alike, is computed once.

    Args:
        model: A causal language model in evaluation mode.
        prompt: Token ids, at least one.
        continuations: Token ids of each, at least one.

    Raises:
        ValueError: A prompt or continuation has no token.

    Reference: equals ``loglikelihood`` of lm-evaluation-harness, request by request.
    """
    if not prompt or not all(continuations):
        raise ValueError("a prompt and each continuation need a token")
    first = model(input_ids=torch.tensor([list(prompt)]), use_cache=True, logits_to_keep=1)
    first_1V = first.logits[0, -1:].float().log_softmax(dim=-1)
    found: list[Likelihood] = []
    for part in parts_of(continuations):
        tree = tree_of(part)
        after_SV = first_1V
        if tree.tokens:
            after_SV = torch.cat([_after(model, first.past_key_values, len(prompt), tree), first_1V])
        found += [
            likelihood_of(after_SV, path, tokens) for path, tokens in zip(tree.paths, part, strict=True)
        ]
    return found


def parts_of(continuations: Sequence[Sequence[int]]) -> list[list[Sequence[int]]]:
    """Divide continuations, so that the tree of each part has few enough nodes."""
    parts: list[list[Sequence[int]]] = [[]]
    size = 0
    for tokens in continuations:
        if parts[-1] and size + len(tokens) > _NODES_AT_ONCE:
            parts.append([])
            size = 0
        parts[-1].append(tokens)
        size += len(tokens)
    return parts


def tree_of(continuations: Sequence[Sequence[int]]) -> Tree:
    """Return the tree of continuations; each has a token at least."""
    tree = Tree([], [], [])
    children: dict[tuple[int, int], int] = {}
    for continuation in continuations:
        node, path = -1, [-1]
        for token in continuation[:-1]:  # nothing follows the last one
            if (node, token) not in children:
                children[node, token] = len(tree.tokens)
                tree.tokens.append(token)
                tree.parents.append(node)
            node = children[node, token]
            path.append(node)
        tree.paths.append(path)
    return tree


def _after(model: Any, cache: Any, prompt_length: int, tree: Tree) -> Tensor:
    """Return the log-probabilities after each node, shape [S, V]: a node sees the prompt, its ancestors and itself."""
    size = len(tree.tokens)
    sees, depths = sight_of(tree)
    dtype = next(model.parameters()).dtype
    mask = torch.zeros(1, 1, size, prompt_length + size, dtype=dtype)
    mask[0, 0, :, prompt_length:].masked_fill_(~sees, torch.finfo(dtype).min)
    outputs = model(
        input_ids=torch.tensor([tree.tokens]),
        attention_mask=mask,
        position_ids=torch.tensor([[prompt_length + depth for depth in depths]]),
        past_key_values=cache,
        use_cache=True,
    )
    cache.crop(-size)  # the forward pass wrote into it
    logits_SV: Tensor = outputs.logits[0]
    return logits_SV.float().log_softmax(dim=-1)


def sight_of(tree: Tree) -> tuple[Tensor, list[int]]:
    """Return which nodes each node sees, bool [S, S], and how deep it lies: both as if each path stood alone."""
    size = len(tree.tokens)
    sees = torch.zeros(size, size, dtype=torch.bool)
    depths: list[int] = []
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            sees[node] = sees[parent]
        sees[node, node] = True
        depths.append(0 if parent < 0 else depths[parent] + 1)
    return sees, depths


def likelihood_of(after_SV: Tensor, path: Sequence[int], tokens: Sequence[int]) -> Likelihood:
    """Sum the tokens of a continuation; node -1 is the last row, the prompt."""
    steps_TV = after_SV[torch.tensor(path)]
    chosen = torch.tensor(list(tokens))
    total = float(steps_TV.gather(1, chosen[:, None]).double().sum())
    return Likelihood(total, len(tokens), bool((steps_TV.argmax(dim=-1) == chosen).all()))
