"""The fused linear layer equals the sum of its matrices, and keeps no more than it says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from luthier.kernels.linear import fused_linear


def _tensors(dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"inputs": (2, 7, 6), "weight": (9, 6), "bias": (9,), "down": (3, 6), "up": (9, 3)}
    return {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes.items()}


@given(st.lists(st.booleans(), min_size=5, max_size=5), st.booleans(), st.booleans())
def test_equals_the_formula_whatever_trains(trains: list[bool], has_bias: bool, has_lora: bool) -> None:
    ours, theirs = _tensors(), _tensors()
    for tensors in (ours, theirs):
        for tensor, is_trained in zip(tensors.values(), trains, strict=True):
            tensor.requires_grad_(is_trained)

    def arguments(tensors: dict[str, Tensor]) -> list[Tensor | None]:
        down_up = [tensors["down"], tensors["up"]] if has_lora else [None, None]
        return [tensors["inputs"], tensors["weight"], tensors["bias"] if has_bias else None, *down_up]

    inputs, weight, bias, down, up = arguments(theirs)
    assert inputs is not None and weight is not None
    expected = inputs @ (weight if up is None or down is None else weight + up @ down).T
    expected = expected if bias is None else expected + bias
    found = fused_linear(*arguments(ours))  # type: ignore[arg-type]
    torch.testing.assert_close(found, expected)
    if not expected.requires_grad:
        return
    weights = torch.linspace(-1, 2, expected.numel(), dtype=torch.float64).view_as(expected)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    for name in ours:
        mine, other = ours[name].grad, theirs[name].grad
        # The bias is summed in float32, whatever the type.
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


def test_computes_in_the_asked_type_and_gives_gradients_in_the_stored_one() -> None:
    tensors = {name: tensor.requires_grad_() for name, tensor in _tensors(torch.float32).items()}
    out = fused_linear(*tensors.values(), dtype=torch.bfloat16)
    assert out.dtype == torch.bfloat16
    out.sum().backward()
    assert {tensor.grad.dtype for tensor in tensors.values() if tensor.grad is not None} == {torch.float32}


@pytest.mark.parametrize("trains", ["none of it", "LoRA", "weight"])
def test_keeps_inputs_only_where_a_gradient_needs_them(trains: str) -> None:
    tensors = _tensors(torch.float32)
    names = {"none of it": ["inputs"], "LoRA": ["down", "up"], "weight": ["weight"]}[trains]
    for name in names:
        tensors[name].requires_grad_()
    kept: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(tuple(x.shape)), x)[1], lambda x: x):
        fused_linear(*tensors.values())
    assert ((14, 6) in kept) == (trains != "none of it")
    assert (14, 9) not in kept, "the outputs need not be kept"


def test_autocast_decides_no_type_inside() -> None:
    """Called for float32 under bfloat16 autocast, both passes stay in float32."""
    tensors = {name: tensor.requires_grad_() for name, tensor in _tensors(torch.float32).items()}
    with torch.autocast("cpu", torch.bfloat16):
        out = fused_linear(*tensors.values(), dtype=torch.float32)
        out.sum().backward()
    expected = tensors["inputs"] @ (tensors["weight"] + tensors["up"] @ tensors["down"]).T + tensors["bias"]
    torch.testing.assert_close(out, expected)
    grad = torch.autograd.grad(expected.sum(), tensors["weight"])[0]
    torch.testing.assert_close(tensors["weight"].grad, grad)
