"""How wide a bottleneck adapter's middle is, and which layers share one adapter."""

from __future__ import annotations

from luthier.plan.layer_roles import role_of
from luthier.recipe.method_sections import BottleneckMethod

USUAL_REDUCTION = 16


def bottleneck_width(method: BottleneckMethod, width: int) -> int:
    """Return the middle's width for a layer of ``width`` outputs; at least 1."""
    if method.bottleneck_size is not None:
        return method.bottleneck_size
    return max(1, width // (method.reduction_factor or USUAL_REDUCTION))


def shared_key(method: BottleneckMethod, name: str, width: int) -> str:
    """Return a key that is equal for layers with one adapter: the layer itself, or its place and width."""
    return f"{role_of(name)}-{width}" if method.share_across_layers else name
