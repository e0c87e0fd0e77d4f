"""Which weights a method will train, counted from tensor shapes before anything is loaded."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from luthier.core.errors import Fault
from luthier.plan.base_facts import BaseFacts, layer_of
from luthier.recipe.method_sections import FreezeMethod, LoraMethod, Method


@dataclass(frozen=True)
class Trainable:
    """The outcome: trained weights, and all weights the model will then have."""

    num_trainable: int
    num_total: int
    num_layers_adapted: int = 0


def count_trainable(method: Method, base: BaseFacts) -> tuple[Trainable, list[Fault]]:
    """Return what ``method`` will train in ``base``, and the faults that make it impossible."""
    if isinstance(method, LoraMethod):
        return _lora(method, base)
    if isinstance(method, FreezeMethod):
        return _freeze(method, base)
    return Trainable(base.num_parameters, base.num_parameters), []


def _lora(method: LoraMethod, base: BaseFacts) -> tuple[Trainable, list[Fault]]:
    faults = []
    linear = base.linear_layers()
    if method.target_modules == "all-linear":
        targets = linear
    else:
        names = [method.target_modules] if isinstance(method.target_modules, str) else method.target_modules
        known = sorted({name.rsplit(".", 1)[-1] for name in linear})
        targets = {}
        if not names:
            problem = "names no layer, so nothing would train"
            faults.append(Fault("method.target_modules", problem, "target_modules: all-linear"))
        for name in names:
            matched = {m: s for m, s in linear.items() if m == name or m.endswith(f".{name}")}
            if not matched:
                cure = f"linear layers of this base: {', '.join(known)}"
                faults.append(Fault("method.target_modules", f"{name!r} matches no linear layer", cure))
            targets.update(matched)
    if targets and method.r > (smallest := min(min(shape) for shape in targets.values())):
        problem = f"rank {method.r} exceeds the smallest side of the adapted matrices, {smallest}"
        faults.append(Fault("method.r", problem, f"use at most {smallest}; 4 to 64 is usual"))
    adapted = sum(method.r * (rows + columns) for rows, columns in targets.values())
    return Trainable(adapted, base.num_parameters + adapted, len(targets)), faults


def _freeze(method: FreezeMethod, base: BaseFacts) -> tuple[Trainable, list[Fault]]:
    if (method.trainable_layers is None) == (not method.trainable_patterns):
        problem = "takes either trainable_layers or trainable_patterns"
        return Trainable(0, base.num_parameters), [
            Fault("method", problem, "for example `trainable_layers: 4`")
        ]
    if method.trainable_layers is not None and method.trainable_layers > base.num_layers:
        problem = f"{method.trainable_layers} layers asked for, the base has {base.num_layers}"
        return Trainable(0, base.num_parameters), [Fault("method.trainable_layers", problem)]
    faults = [
        Fault(
            "method.trainable_patterns",
            f"{pattern!r} matches no weight",
            f"a weight is called {next(iter(base.shapes))}",
        )
        for pattern in method.trainable_patterns
        if not any(fnmatch.fnmatchcase(name, pattern) for name in base.shapes)
    ]
    trained = [name for name in base.shapes if is_trained_by_freeze(method, name, base.num_layers)]
    count = sum(base.num_parameters_of(name) for name in trained)
    return Trainable(count, base.num_parameters), faults


def is_trained_by_freeze(method: FreezeMethod, name: str, num_layers: int) -> bool:
    """Return whether ``freeze`` trains the weight called ``name``."""
    if method.trainable_layers is not None:
        layer = layer_of(name)
        return layer is not None and layer >= num_layers - method.trainable_layers
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in method.trainable_patterns)
