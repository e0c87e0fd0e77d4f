"""The compiled functions compute what torch computes in double precision, and the torch path stands in for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from luthier.kernels import compiled
from luthier.kernels.accelerate import accelerate
from luthier.kernels.attention import AttentionSettings, packed_attention
from luthier.kernels.gated_mlp import _ACTIVATIONS
from luthier.kernels.linear_cross_entropy import linear_cross_entropy
from luthier.kernels.norm import rms_norm
from luthier.kernels.sequence_layout import SequenceLayout
from tests.kernels.families import tiny_model

TYPES = [(torch.float32, 2e-6), (torch.bfloat16, 1e-2)]
needs_build = pytest.mark.skipif(
    compiled.build().library is None, reason=f"no compiled functions: {compiled.build().reason}"
)


def _random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def _close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


@needs_build
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
def test_swiglu_and_its_gradient(dtype: torch.dtype, tolerance: float) -> None:
    gate, up, grad = (_random(37, 65, seed=s, dtype=dtype) * 3 for s in range(3))
    wide = [x.double().requires_grad_() for x in (gate, up)]
    expected = functional.silu(wide[0]) * wide[1]
    expected.backward(grad.double())
    _close(compiled.swiglu(gate, up), expected.detach(), tolerance)
    product, grad_gate, grad_up = compiled.swiglu_backward(grad.clone(), gate, up)
    for found, wanted in ((product, expected.detach()), (grad_gate, wide[0].grad), (grad_up, wide[1].grad)):
        assert wanted is not None
        _close(found, wanted, tolerance)


@needs_build
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
def test_rms_norm_and_its_gradient(dtype: torch.dtype, tolerance: float) -> None:
    x, grad, weight = (
        _random(2, 79, 40, dtype=dtype) * 5,
        _random(2, 79, 40, seed=1, dtype=dtype),
        _random(40, seed=2),
    )
    wide, wide_weight = x.double().requires_grad_(), weight.double().requires_grad_()
    expected = wide / (wide.square().mean(-1, keepdim=True) + 1e-5).sqrt() * wide_weight
    expected.backward(grad.double())
    found, inverse = compiled.rms_norm(x, weight, 1e-5)
    _close(found, expected.detach(), tolerance * 4)
    assert wide.grad is not None and wide_weight.grad is not None
    _close(compiled.rms_norm_backward(grad, x, weight, inverse), wide.grad, tolerance)
    _close(compiled.rms_norm_weight_backward(grad, x, inverse), wide_weight.grad, 1e-5)


@needs_build
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
def test_rotation_and_its_gradient(dtype: torch.dtype, tolerance: float) -> None:
    x, grad = (_random(11, 3, 16, seed=s, dtype=dtype) for s in range(2))
    cosine, sine = (_random(11, 16, seed=s, dtype=dtype) for s in (2, 3))
    wide = x.double().requires_grad_()
    half = torch.cat([-wide[..., 8:], wide[..., :8]], dim=-1)
    expected = wide * cosine.double()[:, None] + half * sine.double()[:, None]
    expected.backward(grad.double())
    _close(compiled.rotate(x, cosine, sine), expected.detach(), tolerance * 2)
    assert wide.grad is not None
    _close(compiled.rotate(grad, cosine, sine, direction=-1), wide.grad, tolerance * 2)


@needs_build
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("window", [None, 1, 5])
@pytest.mark.parametrize("is_causal", [True, False])
def test_softmax_hides_what_a_query_may_not_see(
    dtype: torch.dtype, tolerance: float, window: int | None, is_causal: bool
) -> None:
    num_queries, lead, keys, visible = 7, 4, 16, 11
    scores = _random(2, 3 * num_queries, keys, dtype=dtype) * 4
    query, key = (torch.arange(3 * num_queries) % num_queries + lead)[:, None], torch.arange(keys)[None]
    hidden = key > query if is_causal else key >= visible
    if window and is_causal:
        hidden = hidden | (key <= query - window)
    wide = scores.double().masked_fill(hidden, -torch.inf).requires_grad_()
    expected = (wide * 0.3).softmax(-1)
    found = compiled.softmax_(
        scores.clone(),
        num_queries=num_queries,
        lead=lead,
        window=window,
        num_visible=visible,
        is_causal=is_causal,
        scaling=0.3,
    )
    _close(found, expected.detach(), tolerance)
    assert bool((found[hidden.expand(found.shape)] == 0).all())
    grad = _random(*scores.shape, seed=5, dtype=dtype)
    (of_scaled,) = torch.autograd.grad(expected, wide, grad.double())
    _close(compiled.softmax_backward_(grad.clone(), found) * 0.3, of_scaled, tolerance)


@needs_build
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("scale", [0.1, 3.0, 40.0])
def test_cross_entropy_and_its_gradient(dtype: torch.dtype, tolerance: float, scale: float) -> None:
    logits, targets = _random(9, 1003, dtype=dtype) * scale, torch.arange(9) * 7
    wide = logits.double().requires_grad_()
    expected = functional.cross_entropy(wide, targets, reduction="none")
    expected.sum().backward()
    before = logits.clone()
    torch.testing.assert_close(
        compiled.cross_entropy_(before, targets, differentiates=False).double(),
        expected.detach(),
        rtol=1e-5,
        atol=1e-6,
    )
    assert torch.equal(before, logits), "without a gradient the logits stay as they were"
    compiled.cross_entropy_(before, targets, differentiates=True)
    assert wide.grad is not None
    _close(before, wide.grad, tolerance)


@needs_build
def test_a_certain_answer_keeps_its_small_loss() -> None:
    """Near probability 1, log(p) has no digits left in float32: the loss is log1p(rest / own), as math.log1p has it."""
    logits = torch.tensor([[18.0, 0.0, -1.0]])
    rest = math.exp(-18) + math.exp(-19)
    loss = compiled.cross_entropy_(logits, torch.tensor([0]), differentiates=True)
    assert loss.item() == pytest.approx(math.log1p(rest), rel=1e-6)
    assert logits[0, 0].item() == pytest.approx(-rest, rel=1e-5)


@needs_build
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_shows(bad: float) -> None:
    """The loop stops at a loss that is not finite: no function may hide one."""
    values = _random(4, 64)
    values[1, 5] = bad
    assert not compiled.swiglu(values, values).isfinite().all()
    assert not compiled.rms_norm(values, torch.ones(64), 1e-5)[0].isfinite().all()
    assert (
        not compiled.cross_entropy_(values.clone(), torch.zeros(4, dtype=torch.long), differentiates=False)
        .isfinite()
        .all()
    )
    visible = {"lead": 63, "window": None, "num_visible": 64, "is_causal": True, "scaling": 1.0}
    assert not compiled.softmax_(values.clone(), num_queries=1, **visible).isfinite().all()  # type: ignore[arg-type]


@needs_build
def test_threads_change_no_bit() -> None:
    x, weight = _random(600, 96), _random(96, seed=1)
    found = []
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            found.append(compiled.rms_norm(x, weight, 1e-6)[0])
        finally:
            torch.set_num_threads(before)
    assert torch.equal(*found)


def _with_and_without(
    monkeypatch: pytest.MonkeyPatch, compute: Callable[[], Tensor]
) -> tuple[Tensor, Tensor]:
    fast = compute()
    monkeypatch.setattr(compiled, "fits", lambda *tensors: False)
    return fast, compute()


def _attention() -> Tensor:
    query, key, value = (_random(30, heads, 8, seed=heads) for heads in (4, 2, 1))
    value = value.expand(30, 2, 8)
    query.requires_grad_()
    out = packed_attention(query, key, value, SequenceLayout((0, 13, 30)), AttentionSettings(0.3, window=6))
    return torch.autograd.grad(out.square().sum(), query)[0]


def _norm() -> Tensor:
    x = _random(5, 32).requires_grad_()
    return torch.autograd.grad(rms_norm(x, _random(32, seed=1), 1e-5, offset=1.0).square().sum(), x)[0]


def _cross_entropy() -> Tensor:
    hidden = _random(6, 8).requires_grad_()
    loss = linear_cross_entropy(hidden, _random(50, 8, seed=1), torch.arange(6))
    return torch.autograd.grad(loss, hidden)[0]


def _gate() -> Tensor:
    gate, up = _random(5, 32), _random(5, 32, seed=1)
    silu = next(activation for activation in _ACTIVATIONS if activation.is_silu)
    return torch.stack([silu.gated(gate, up), *silu.gated_backward(_random(5, 32, seed=2), gate, up)])


@needs_build
@pytest.mark.parametrize("compute", [_attention, _norm, _cross_entropy, _gate])
def test_torch_stands_in_where_there_is_no_compiler(
    compute: Callable[[], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.testing.assert_close(*_with_and_without(monkeypatch, compute), rtol=1e-5, atol=1e-6)


def test_a_missing_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    found = compiled.build.__wrapped__()
    assert found.library is None
    assert "no C compiler" in found.reason


def test_a_compiler_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'cc: no target' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    found = compiled.build.__wrapped__()
    assert found.library is None
    assert found.reason.endswith("no target")


def test_the_report_says_whether_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "build", lambda: compiled.Build(None, "no C compiler is installed"))
    model = tiny_model("llama")
    parts = {part.name: part.reason for part in accelerate(model).report}
    assert parts["row-wise C functions"] == "no C compiler is installed"


@needs_build
def test_attention_modules_rotate_by_it_and_get_their_own_forward_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, calls = tiny_model("llama"), []
    original = type(model.model.layers[0].self_attn).forward
    acceleration = accelerate(model)
    monkeypatch.setattr(compiled, "rotate", lambda *args, **kwargs: calls.append(1) or args[0].clone())
    model(input_ids=torch.arange(2, 9)[None])
    assert len(calls) == 2 * len(model.model.layers), "queries and keys of each layer"
    acceleration.undo()
    assert type(model.model.layers[0].self_attn).forward is original
