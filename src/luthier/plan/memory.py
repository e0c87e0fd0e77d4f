"""How much memory training takes, from tensor shapes alone, and how many tokens at once therefore fit."""

from __future__ import annotations

from dataclasses import dataclass

from luthier.plan.base_facts import BaseFacts
from luthier.plan.four_bit import bytes_saved
from luthier.plan.multitask import task_gradient_bytes
from luthier.plan.optimizers import trained_bytes
from luthier.plan.trainable import Trainable
from luthier.recipe.schema import Recipe

MOST_TOKENS = 2048
"""Longest micro-batch that is worth its memory: matrix products of more rows are not faster on two cores."""

_PROCESS_BYTES = 800_000_000
"""Python with torch and transformers, before a model is loaded."""

_KEPT_PROBABILITIES = 512
"""Attention keeps its probabilities for sequences up to this length and computes those of longer ones again."""

_HIDDEN_COPIES = 3
"""A layer keeps its attention's output and the normalised inputs of its two blocks, beside its matrices' outputs."""

_TOP_COPIES = 2
"""Above the layers the last normalisation's input and the head's are kept."""


@dataclass(frozen=True)
class MemoryNeed:
    """What training keeps in memory.

    Args:
        fixed_bytes: The process, weights, gradients and optimizer state.
        bytes_per_token: Activations that wait for the backward pass.
    """

    fixed_bytes: int
    bytes_per_token: int

    def tokens_within(self, budget_bytes: int) -> int:
        """Return how many tokens fit beside what is fixed; 0 or less where not even that fits."""
        return (budget_bytes - self.fixed_bytes) // self.bytes_per_token


def memory_need(recipe: Recipe, base: BaseFacts, trainable: Trainable) -> MemoryNeed:
    """Return what a recipe needs on the fast path.

    Args:
        recipe: With ``model.dtype`` resolved.
        base: Shapes of the base.
        trainable: What the method trains.
    """
    value_bytes = 2 if recipe.model.dtype == "bfloat16" else 4
    num_frozen = trainable.num_total - trainable.num_trainable
    linear = base.linear_layers().values()
    outputs = sum(rows for rows, _ in linear)
    hidden = min((columns for _, columns in linear), default=0)
    probabilities = base.num_heads * min(recipe.data.max_length, _KEPT_PROBABILITIES) * base.num_layers
    kept = outputs + _HIDDEN_COPIES * hidden * base.num_layers + probabilities
    if recipe.train.gradient_checkpointing:
        kept = hidden * base.num_layers + kept // max(
            base.num_layers, 1
        )  # each layer's input, and one layer anew
    kept += _TOP_COPIES * hidden
    frozen = num_frozen * value_bytes - bytes_saved(recipe.model, base)
    fixed = _PROCESS_BYTES + frozen + round(trainable.num_trainable * trained_bytes(recipe.train))
    fixed += task_gradient_bytes(recipe, trainable.num_trainable)
    return MemoryNeed(fixed, max(1, kept * value_bytes))
