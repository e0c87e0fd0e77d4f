"""Which weights ``freeze`` trains, and when each of them begins to: gradual unfreezing from the top."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from luthier.core.errors import Fault
from luthier.plan.base_facts import BaseFacts, layer_of
from luthier.recipe.method_sections import FreezeMethod
from luthier.recipe.schema import TrainSection

_HEADS = ("lm_head.", "embed_out.")
_EMBEDDINGS = ("embed", "wte.", "wpe.")


def is_trained_by_freeze(method: FreezeMethod, name: str, num_layers: int) -> bool:
    """Return whether ``freeze`` trains the weight called ``name``, now or later; a task's head it trains always."""
    if method.head_only:
        return name.startswith(_HEADS)
    if method.trainable_layers is not None:
        layer = layer_of(name)
        return layer is not None and layer >= num_layers - method.trainable_layers
    if method.trainable_patterns:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in method.trainable_patterns)
    return method.unfreeze_every is not None


def thaw_groups(method: FreezeMethod, trained: Iterable[str], num_layers: int) -> dict[str, int]:
    """Return the group of each trained weight: group g begins to train after g times ``unfreeze_every``.

    The head and the norm below it belong to the topmost group of layers, embeddings make the last group of all.

    Reference: Howard and Ruder, Universal Language Model Fine-tuning, section 3.3 (arXiv:1801.06146).
    """
    heights = {name: _height(method, name, num_layers) for name in trained}
    order = {height: group for group, height in enumerate(sorted(set(heights.values())))}
    return {name: order[height] for name, height in heights.items()}


def _height(method: FreezeMethod, name: str, num_layers: int) -> int:
    """Return how many groups of layers are above the weight."""
    layer = layer_of(name)
    if layer is not None:
        return (num_layers - 1 - layer) // method.unfreeze_layers
    return num_layers if any(part in name for part in _EMBEDDINGS) and not name.startswith(_HEADS) else 0


def trained_by_freeze(method: FreezeMethod, base: BaseFacts) -> list[str]:
    """Return the names of the base's tensors that train, a task's head among them."""
    return [
        name
        for name in base.shapes
        if name in base.head or is_trained_by_freeze(method, name, base.num_layers)
    ]


def freeze_faults(method: FreezeMethod, base: BaseFacts) -> list[Fault]:
    """Return what makes ``freeze`` impossible in this base."""
    ways = {
        "trainable_layers": method.trainable_layers is not None,
        "trainable_patterns": bool(method.trainable_patterns),
        "head_only": method.head_only,
    }
    chosen = [name for name, is_chosen in ways.items() if is_chosen]
    if len(chosen) > 1:
        return [Fault("method", f"takes either {chosen[0]} or {chosen[1]}, not both", f"drop {chosen[1]}")]
    if not chosen and method.unfreeze_every is None:
        problem = "takes either trainable_layers or trainable_patterns or head_only, or unfreeze_every"
        return [Fault("method", problem, "for example `trainable_layers: 4`")]
    if method.head_only:
        return list(_head_faults(method, base))
    if method.trainable_layers is not None and method.trainable_layers > base.num_layers:
        problem = f"{method.trainable_layers} layers asked for, the base has {base.num_layers}"
        return [Fault("method.trainable_layers", problem)]
    first = next(iter(base.shapes))
    return [
        Fault("method.trainable_patterns", f"{pattern!r} matches no weight", f"a weight is called {first}")
        for pattern in method.trainable_patterns
        if not any(fnmatch.fnmatchcase(name, pattern) for name in base.shapes)
    ]


def _head_faults(method: FreezeMethod, base: BaseFacts) -> Iterable[Fault]:
    if method.unfreeze_every is not None:
        yield Fault("method.unfreeze_every", "has no effect with head_only: nothing else ever thaws")
    if not base.head and not any(name.startswith(_HEADS) for name in base.shapes):
        problem = "this base has no head of its own: its output matrix is the embedding"
        cure = "trainable_layers: 1, or trainable_patterns: ['*embed*'] to train both at once"
        yield Fault("method.head_only", problem, cure)


def schedule_faults(method: FreezeMethod, base: BaseFacts, train: TrainSection) -> list[Fault]:
    """Return a fault where a schedule thaws less than it says, as far as the recipe alone shows."""
    length = train.max_steps if method.unfreeze_unit == "steps" else train.num_train_epochs
    if method.unfreeze_unit == "epochs" and train.max_steps is not None:
        length = None
    if method.unfreeze_every is None or length is None:
        return []
    groups = thaw_groups(method, trained_by_freeze(method, base), base.num_layers)
    num_groups = 1 + max(groups.values(), default=0)
    if (num_groups - 1) * method.unfreeze_every < length:
        return []
    return [schedule_fault(method, num_groups, f"{length:g} {method.unfreeze_unit}")]


def schedule_fault(method: FreezeMethod, num_groups: int, length: str) -> Fault:
    """Return the fault of a schedule whose last group would thaw at the end of training or later."""
    needed = (num_groups - 1) * (method.unfreeze_every or 0)
    problem = (
        f"the last of {num_groups} groups would thaw after {needed} {method.unfreeze_unit}, "
        f"training takes {length}"
    )
    cure = "thaw sooner, make groups larger by unfreeze_layers, train fewer layers, or train longer"
    return Fault("method.unfreeze_every", problem, cure)
