"""A base in 4 bits in the plan: what it does not go with, and what its weights take."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator

from luthier.core.errors import Fault
from luthier.core.files import read_json
from luthier.plan.base_facts import BaseFacts
from luthier.recipe.schema import ModelSection, Recipe

_BLOCK = 64
"""Weights of one block, which share a scale."""

_OUTER_BLOCK = 256
"""Scales that share a scale of their own, with double quantization."""

_DENSE_AT_ONCE = 3
"""Matrices that are unpacked at a time: those of a gated feed-forward block."""


def check_four_bit(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield the faults of ``model.load_in_4bit`` beside the recipe's other keys; see `luthier.plan.checks`."""
    if not recipe.model.load_in_4bit:
        for key in ("bnb_4bit_quant_type", "bnb_4bit_use_double_quant"):
            if f"model.{key}" in written:
                yield Fault(f"model.{key}", "has no effect without load_in_4bit", "load_in_4bit: true")
        return
    method = recipe.method
    if method.name in ("full", "freeze"):
        problem = f"weights in 4 bits cannot be trained, and method {method.name} trains the base's own"
        yield Fault("model.load_in_4bit", problem, "method: {name: lora}")
    if getattr(method, "init_lora_weights", None) == "pissa":
        problem = "pissa takes its first values out of the base's matrices, which are in 4 bits here"
        yield Fault("method.init_lora_weights", problem, "init_lora_weights: kaiming")
    if recipe.objective.name == "multitask" and recipe.objective.has_head:
        problem = "does not go with a head for each task, whose trunk is loaded in one type"
        yield Fault("model.load_in_4bit", problem, "load_in_4bit: false, or one run for each task")
    if importlib.util.find_spec("bitsandbytes") is None:
        problem = "needs bitsandbytes, which is not installed"
        yield Fault("model.load_in_4bit", problem, "pip install 'luthier[qlora]'")


def check_four_bit_against_base(recipe: Recipe, base: BaseFacts) -> Iterator[Fault]:
    """Yield the faults of ``model.load_in_4bit`` with this base."""
    if not recipe.model.load_in_4bit:
        return
    if (base.folder / "config.json").is_file() and "quantization_config" in read_json(
        base.folder / "config.json"
    ):
        problem = "has no effect: the base is quantized already"
        yield Fault("model.load_in_4bit", problem, "name the base that it was made from")
    elif not base.linear_layers():
        problem = f"finds no linear layer inside the layers of {base.architecture}"
        yield Fault("model.load_in_4bit", problem, "load_in_4bit: false")


def bits_per_weight(model: ModelSection) -> float:
    """Return what a weight in 4 bits takes, its share of the scales included (arXiv:2305.14314, section 3)."""
    if not model.bnb_4bit_use_double_quant:
        return 4 + 32 / _BLOCK
    return 4 + 8 / _BLOCK + 32 / (_BLOCK * _OUTER_BLOCK)


def bytes_saved(model: ModelSection, base: BaseFacts) -> int:
    """Return how much less the base takes than in ``dtype``, less the matrices that are unpacked at a time.

    Args:
        model: With ``dtype`` resolved.
        base: Shapes of the base.
    """
    if not model.load_in_4bit:
        return 0
    value_bytes = 2 if model.dtype == "bfloat16" else 4
    sizes = [rows * columns for rows, columns in base.linear_layers().values()]
    dense = sum(sizes) - _DENSE_AT_ONCE * max(sizes, default=0)
    return round(dense * value_bytes - sum(sizes) * bits_per_weight(model) / 8)
