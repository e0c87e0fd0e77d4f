"""Optimizers in the plan: what each keeps in memory, which keys it reads, and where it runs."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator

from luthier.core.errors import Fault
from luthier.plan.hardware import Hardware
from luthier.recipe.schema import Recipe, TrainSection

_STATE_BYTES = {"adamw": 8.0, "paged_adamw": 8.0, "adafactor": 0.5, "sgd": 0.0}
"""By trained parameter: AdamW's two moments; Adafactor's sums over the rows and columns of a matrix, whose shorter side
is 8 at the least in what trains in numbers; nothing."""

_ADAM_KEYS = ("adam_beta1", "adam_beta2", "adam_epsilon")


def trained_bytes(train: TrainSection) -> float:
    """Return what a trained parameter takes: the float32 weight, its gradient, and the optimizer's state."""
    return 4 + 4 + _STATE_BYTES[train.optim]


def check_optimizer(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield keys that the optimizer does not read."""
    name = recipe.train.optim
    if name in ("adafactor", "sgd"):
        for key in _ADAM_KEYS:
            if f"train.{key}" in written:
                yield Fault(f"train.{key}", f"has no effect with optim: {name}", "optim: adamw")


def check_optimizer_here(recipe: Recipe, hardware: Hardware) -> Iterator[Fault]:
    """Yield the faults of an optimizer on this machine."""
    if recipe.train.optim != "paged_adamw":
        return
    if hardware.device != "cuda":
        problem = "paged_adamw moves its state between a GPU's memory and the machine's; there is no GPU here"
        yield Fault("train.optim", problem, "optim: adamw, or adafactor, whose state is small")
    elif importlib.util.find_spec("bitsandbytes") is None:
        problem = "paged_adamw needs bitsandbytes, which is not installed"
        yield Fault("train.optim", problem, "pip install 'luthier[qlora]'")
