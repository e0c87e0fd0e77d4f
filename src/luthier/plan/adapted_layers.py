"""Which linear layers adapters sit on: one choice for the plan, from shapes, and for the methods, from modules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from luthier.core.errors import Fault
from luthier.plan.base_facts import layer_of
from luthier.plan.layer_roles import Role, role_of
from luthier.recipe.method_sections import AdaLoraMethod, BottleneckMethod, Ia3Method, LoraMethod

Layers = Mapping[str, tuple[int, int]]
"""(outputs, inputs) of linear layers inside the decoder layers, by module name."""

_RESCALED: frozenset[Role] = frozenset({"key", "value", "joint", "feed_forward_output"})
_TARGETS = "method.target_modules"


def adapted_layers(
    method: LoraMethod | AdaLoraMethod | Ia3Method | BottleneckMethod, linear: Layers
) -> tuple[dict[str, tuple[int, int]], list[Fault]]:
    """Return the layers that get an adapter, in the base's order, and what is wrong with the recipe's names."""
    if isinstance(method, BottleneckMethod):
        return _by_role(linear, _places(method), "method.placement")
    if isinstance(method, Ia3Method) and method.target_modules is None:
        return _by_role(linear, _RESCALED, _TARGETS)
    chosen, faults = _named(method.target_modules, linear)
    if isinstance(method, LoraMethod):
        chosen, more = _narrowed(method, chosen)
        faults += more
    return chosen, faults


def _places(method: BottleneckMethod) -> frozenset[Role]:
    both: frozenset[Role] = frozenset({"attention_output", "feed_forward_output"})
    return both if method.placement == "houlsby" else frozenset({"feed_forward_output"})


def _by_role(
    linear: Layers, roles: frozenset[Role], path: str
) -> tuple[dict[str, tuple[int, int]], list[Fault]]:
    chosen = {name: shape for name, shape in linear.items() if role_of(name) in roles}
    if chosen:
        return chosen, []
    what = ", ".join(sorted(roles)).replace("_", " ")
    problem = f"this base has no layers of known names for {what}"
    return {}, [Fault(path, problem, f"another method; its linear layers: {', '.join(last_names(linear))}")]


def _named(
    names: str | Sequence[str] | None, linear: Layers
) -> tuple[dict[str, tuple[int, int]], list[Fault]]:
    if names == "all-linear":
        return dict(linear), []
    names = [names] if isinstance(names, str) else names or []
    if not names:
        problem = "names no layer, so nothing would train"
        return {}, [Fault(_TARGETS, problem, "target_modules: all-linear")]
    cure = f"linear layers of this base: {', '.join(last_names(linear))}"
    faults = [
        Fault(_TARGETS, f"{name!r} matches no linear layer", cure) for name in names if not _any(name, linear)
    ]
    return {m: shape for m, shape in linear.items() if any(is_named(m, name) for name in names)}, faults


def _narrowed(
    method: LoraMethod, chosen: Mapping[str, tuple[int, int]]
) -> tuple[dict[str, tuple[int, int]], list[Fault]]:
    """Leave out what ``exclude_modules`` and ``layers_to_transform`` leave out."""
    faults = [
        Fault("method.exclude_modules", f"{name!r} matches none of the adapted layers", "leave it out")
        for name in method.exclude_modules
        if chosen and not _any(name, chosen)
    ]
    kept = {m: s for m, s in chosen.items() if not any(is_named(m, name) for name in method.exclude_modules)}
    if method.layers_to_transform is not None:
        there = {layer_of(f"{name}.") for name in kept}
        for number in method.layers_to_transform:
            if kept and number not in there:
                highest = max(n for n in there if n is not None)
                problem = f"there is no layer {number} to adapt"
                faults.append(Fault("method.layers_to_transform", problem, f"numbers from 0 to {highest}"))
        kept = {m: s for m, s in kept.items() if layer_of(f"{m}.") in method.layers_to_transform}
    if chosen and not kept and not faults:
        faults.append(Fault("method.exclude_modules", "leaves out every layer, so nothing would train"))
    return kept, faults


def is_named(module: str, name: str) -> bool:
    """Whether ``name`` is the module's path or its end, as PEFT reads names."""
    return module == name or module.endswith(f".{name}")


def _any(name: str, layers: Iterable[str]) -> bool:
    return any(is_named(module, name) for module in layers)


def last_names(layers: Iterable[str]) -> list[str]:
    """Return the last parts of the layers' names, each once."""
    return sorted({name.rsplit(".", 1)[-1] for name in layers})


def short_names(chosen: Iterable[str], all_modules: Iterable[str]) -> list[str]:
    """Return the last parts of the chosen names where they mean no other module, else the whole names."""
    chosen = list(chosen)
    ends = last_names(chosen)
    matched = {module for module in all_modules if any(is_named(module, end) for end in ends)}
    return ends if matched == set(chosen) else sorted(chosen)


def pattern_value(patterns: Mapping[str, int], module: str, default: int) -> int:
    """Return the value of the first pattern that matches the end of the module's name, as PEFT finds it."""
    return next((value for key, value in patterns.items() if _matches(key, module)), default)


def pattern_faults(patterns: Mapping[str, int], chosen: Layers, path: str) -> list[Fault]:
    """Return a fault for each pattern that changes nothing."""
    cure = f"adapted layers: {', '.join(last_names(chosen))}"
    return [
        Fault(path, f"{key!r} matches none of the adapted layers", cure)
        for key in patterns
        if chosen and not any(_matches(key, module) for module in chosen)
    ]


def _matches(key: str, module: str) -> bool:
    try:
        return re.match(rf"(.*\.)?({key})$", module) is not None
    except re.error:
        return False


def feed_forward_layers(method: Ia3Method, chosen: Layers) -> tuple[set[str], list[Fault]]:
    """Return those of the rescaled layers whose input is rescaled."""
    if method.feedforward_modules is None:
        return {name for name in chosen if role_of(name) == "feed_forward_output"}, []
    cure = f"rescaled layers: {', '.join(last_names(chosen))}"
    faults = [
        Fault("method.feedforward_modules", f"{name!r} matches none of the rescaled layers", cure)
        for name in method.feedforward_modules
        if chosen and not _any(name, chosen)
    ]
    return {m for m in chosen if any(is_named(m, name) for name in method.feedforward_modules)}, faults
