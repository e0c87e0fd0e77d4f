"""Which weights a method will train, counted from tensor shapes before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from luthier.core.errors import Fault
from luthier.plan.adapted_layers import (
    Layers,
    adapted_layers,
    feed_forward_layers,
    pattern_faults,
    pattern_value,
)
from luthier.plan.base_facts import BaseFacts
from luthier.plan.bottleneck_size import bottleneck_width, shared_key
from luthier.plan.freezing import freeze_faults, trained_by_freeze
from luthier.plan.soft_prompts import count_p_tuning, count_prefix, count_prompt
from luthier.recipe.method_sections import (
    AdaLoraMethod,
    BottleneckMethod,
    FreezeMethod,
    FullMethod,
    Ia3Method,
    LoraMethod,
    Method,
    PrefixMethod,
    PromptMethod,
    PTuningMethod,
)


@dataclass(frozen=True)
class Trainable:
    """The outcome: trained weights, and all weights the model will then have."""

    num_trainable: int
    num_total: int
    num_layers_adapted: int = 0


Counted = tuple[Trainable, list[Fault]]


def count_trainable(method: Method, base: BaseFacts) -> Counted:
    """Return what ``method`` will train in ``base``, and the faults that make it impossible."""
    return _COUNTERS[type(method)](method, base)


def _full(method: FullMethod, base: BaseFacts) -> Counted:
    return Trainable(base.num_parameters, base.num_parameters), []


def _freeze(method: FreezeMethod, base: BaseFacts) -> Counted:
    if faults := freeze_faults(method, base):
        return Trainable(0, base.num_parameters), faults
    count = sum(base.num_parameters_of(name) for name in trained_by_freeze(method, base))
    return Trainable(count, base.num_parameters), []


def _lora(method: LoraMethod, base: BaseFacts) -> Counted:
    layers, faults = adapted_layers(method, base.linear_layers())
    faults += pattern_faults(method.rank_pattern, layers, "method.rank_pattern")
    faults += pattern_faults(method.alpha_pattern, layers, "method.alpha_pattern")
    ranks = {name: pattern_value(method.rank_pattern, name, method.r) for name in layers}
    faults += _rank_faults(ranks, layers, "method.r")
    faults += _pissa_faults(method)
    count = sum(ranks[name] * (rows + columns) for name, (rows, columns) in layers.items())
    if method.use_dora:
        count += sum(rows for rows, _ in layers.values())
    return _added(count, base, len(layers)), faults


def _rank_faults(ranks: Mapping[str, int], layers: Layers, path: str) -> list[Fault]:
    """One fault for the layer that fits worst."""
    excess = {name: rank - min(layers[name]) for name, rank in ranks.items() if rank > min(layers[name])}
    if not excess:
        return []
    worst = max(excess, key=excess.__getitem__)
    smallest = min(layers[worst])
    problem = f"rank {ranks[worst]} exceeds the smallest side of the adapted matrices, {smallest}"
    return [Fault(path, problem, f"use at most {smallest}; 4 to 64 is usual")]


def _pissa_faults(method: LoraMethod) -> list[Fault]:
    if method.init_lora_weights != "pissa":
        return []
    faults = []
    if method.use_dora:
        problem = "the lengths that it trains are those of rows without their largest singular vectors"
        faults.append(Fault("method.use_dora", f"does not go with pissa: {problem}", "use_dora: false"))
    if method.lora_dropout:
        problem = "does not go with pissa: it would drop parts of the base's own weights"
        faults.append(Fault("method.lora_dropout", problem, "lora_dropout: 0.0"))
    return faults


def _adalora(method: AdaLoraMethod, base: BaseFacts) -> Counted:
    layers, faults = adapted_layers(method, base.linear_layers())
    faults += _rank_faults(dict.fromkeys(layers, method.init_r), layers, "method.init_r")
    if method.target_r >= method.init_r:
        problem = f"{method.target_r} is not below init_r, {method.init_r}: no rank could be taken away"
        faults.append(
            Fault("method.target_r", problem, f"init_r: {method.target_r + method.target_r // 2 + 1}")
        )
    count = sum(method.init_r * (rows + columns + 1) for rows, columns in layers.values())
    trained = _added(count, base, len(layers))
    # PEFT keeps the rank of each layer as a number that does not train.
    return Trainable(trained.num_trainable, trained.num_total + len(layers), len(layers)), faults


def _ia3(method: Ia3Method, base: BaseFacts) -> Counted:
    layers, faults = adapted_layers(method, base.linear_layers())
    inputs, more = feed_forward_layers(method, layers)
    count = sum(columns if name in inputs else rows for name, (rows, columns) in layers.items())
    return _added(count, base, len(layers)), faults + more


def _bottleneck(method: BottleneckMethod, base: BaseFacts) -> Counted:
    layers, faults = adapted_layers(method, base.linear_layers())
    if method.reduction_factor is not None and method.bottleneck_size is not None:
        problem = "has no effect beside bottleneck_size"
        faults.append(Fault("method.reduction_factor", problem, "keep one of the two"))
    widths = {shared_key(method, name, rows): rows for name, (rows, _) in layers.items()}
    narrowest = min(widths.values(), default=0)
    if widths and (method.bottleneck_size or 0) >= narrowest:
        problem = f"{method.bottleneck_size} is no bottleneck: the layers have {narrowest} outputs"
        faults.append(Fault("method.bottleneck_size", problem, f"for example {max(1, narrowest // 16)}"))
    middles = [(rows, bottleneck_width(method, rows)) for rows in widths.values()]
    return _added(sum(2 * rows * m + m + rows for rows, m in middles), base, len(layers)), faults


def _added(count: int, base: BaseFacts, num_layers: int = 0) -> Trainable:
    """Weights beside the base's; of a task's head PEFT keeps a copy that does not train."""
    added = count + base.num_head_parameters
    return Trainable(added, base.num_parameters + added, num_layers)


def _soft(count: Callable[[Any, BaseFacts], tuple[int, list[Fault]]]) -> Callable[[Any, BaseFacts], Counted]:
    def counted(method: Any, base: BaseFacts) -> Counted:
        number, faults = count(method, base)
        return _added(number, base), faults

    return counted


_COUNTERS: dict[type, Callable[[Any, BaseFacts], Counted]] = {
    FullMethod: _full,
    FreezeMethod: _freeze,
    LoraMethod: _lora,
    AdaLoraMethod: _adalora,
    Ia3Method: _ia3,
    BottleneckMethod: _bottleneck,
    PrefixMethod: _soft(count_prefix),
    PromptMethod: _soft(count_prompt),
    PTuningMethod: _soft(count_p_tuning),
}
