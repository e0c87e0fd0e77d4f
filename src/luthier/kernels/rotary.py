"""Rotary position embedding of queries and keys in one pass each, where transformers' own takes five."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from luthier.kernels import compiled
from luthier.kernels.autocast import without_autocast
from luthier.kernels.patch import Patch

# Shapes: B rows, T tokens of a row, H heads, D width of a head.

_FUNCTION = "apply_rotary_pos_emb"


def patch_rotary(trunk: nn.Module, patch: Patch) -> None:
    """Let the trunk's attention modules rotate by the compiled function.

    transformers' classes call the function by its name in their own module. Each attention module gets the same forward
    with that one name standing for something else; other models of the family keep theirs.
    """
    obstacle = compiled.build().reason if compiled.build().library is None else None
    if any(parameter.device.type != "cpu" for parameter in trunk.parameters()):
        obstacle = "they are for the CPU"
    if obstacle:
        patch.report("row-wise C functions", 0, [obstacle])
        return
    patch.report("row-wise C functions", 1, [])
    forwards: dict[Any, type] = {}
    for module in list(trunk.modules()):
        forward = type(module).forward
        if _FUNCTION not in getattr(getattr(forward, "__code__", None), "co_names", ()):
            continue
        original = forward.__globals__[_FUNCTION]
        if forward not in forwards and _is_usual_form(original):
            forwards[forward] = type("FusedRotary", (), {"forward": _with_rotary(forward, original)})
        if forward in forwards:
            patch.mix_in(module, forwards[forward])


def _with_rotary(forward: Any, original: Callable[..., Any]) -> Any:
    """Return a method that runs ``forward`` with the fused rotation under the original's name."""

    def rotate_pair(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, unsqueeze_dim: int = 1) -> Any:
        if unsqueeze_dim == 1 and all(_fits(x, cos, sin) for x in (q, k)):
            return _turned(q, cos, sin), _turned(k, cos, sin)
        return original(q, k, cos, sin, unsqueeze_dim=unsqueeze_dim)

    names = {**forward.__globals__, _FUNCTION: rotate_pair}
    renamed = FunctionType(
        forward.__code__, names, forward.__name__, forward.__defaults__, forward.__closure__
    )
    renamed.__kwdefaults__ = forward.__kwdefaults__
    return renamed


def _is_usual_form(function: Callable[..., Any]) -> bool:
    """Whether a family's function computes what `compiled.rotate` computes, found by trying."""
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(1, heads, 3, 8, generator=generator) for heads in (4, 2))
    cosine, sine = (torch.randn(1, 3, 8, generator=generator) for _ in range(2))
    try:
        expected = function(query, key, cosine, sine)
    except (TypeError, RuntimeError):
        return False
    found = [_turned(x.transpose(1, 2).contiguous().transpose(1, 2), cosine, sine) for x in (query, key)]
    return all(torch.allclose(f, e, rtol=1e-5, atol=1e-6) for f, e in zip(found, expected, strict=True))


def _fits(x_BHTD: Tensor, cosine_BTD: Tensor, sine_BTD: Tensor) -> bool:
    rows, _, tokens, width = x_BHTD.shape
    return cosine_BTD.shape == (rows, tokens, width) and compiled.fits(
        x_BHTD.transpose(1, 2), cosine_BTD, sine_BTD
    )


def _turned(x_BHTD: Tensor, cosine_BTD: Tensor, sine_BTD: Tensor) -> Tensor:
    by_token = x_BHTD.transpose(1, 2)
    turned = _Rotate.apply(by_token.flatten(0, 1), cosine_BTD.flatten(0, 1), sine_BTD.flatten(0, 1))
    return turned.view(by_token.shape).transpose(1, 2)


class _Rotate(torch.autograd.Function):
    @staticmethod
    @without_autocast
    def forward(ctx: Any, x_THD: Tensor, cosine_TD: Tensor, sine_TD: Tensor) -> Tensor:
        ctx.save_for_backward(cosine_TD, sine_TD)
        return compiled.rotate(x_THD, cosine_TD, sine_TD)

    @staticmethod
    @without_autocast
    def backward(ctx: Any, grad_THD: Tensor) -> tuple[Tensor | None, None, None]:
        cosine_TD, sine_TD = ctx.saved_tensors
        return compiled.rotate(grad_THD.contiguous(), cosine_TD, sine_TD, direction=-1), None, None
