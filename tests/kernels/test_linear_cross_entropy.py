"""The head's fused loss equals torch's cross-entropy over all logits, in value and gradient."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from luthier.kernels import linear_cross_entropy as module
from luthier.kernels.linear_cross_entropy import linear_cross_entropy


def _tensors(positions: int, vocabulary: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(positions, 10, generator=generator)
    return {
        "hidden": hidden.to(dtype),
        "weight": torch.randn(vocabulary, 10, generator=generator).to(dtype),
        "bias": torch.randn(vocabulary, generator=generator).to(dtype),
        "targets": torch.randint(vocabulary, (positions,), generator=generator),
    }


def _reference(tensors: dict[str, Tensor], asked: dict[str, Any]) -> Tensor:
    logits = tensors["hidden"] @ tensors["weight"].T
    if asked.get("bias") is not None:
        logits = logits + tensors["bias"]
    logits = logits * asked.get("logit_scale", 1.0)
    if asked.get("softcap"):
        logits = torch.tanh(logits / asked["softcap"]) * asked["softcap"]
    return torch.nn.functional.cross_entropy(
        logits.float(),
        tensors["targets"],
        reduction=asked["reduction"],
        label_smoothing=asked.get("label_smoothing", 0.0),
    )


@settings(max_examples=60, deadline=None)
@given(
    positions=st.integers(1, 700),
    vocabulary=st.sampled_from([7, 256, 300, 1025]),
    trains=st.tuples(st.booleans(), st.booleans()),
    has_bias=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1]),
    softcap=st.sampled_from([None, 3.0]),
    scale=st.sampled_from([1.0, 0.25]),
    reduction=st.sampled_from(["sum", "mean", "none"]),
    has_weights=st.booleans(),
)
def test_equals_cross_entropy(
    positions: int,
    vocabulary: int,
    trains: tuple[bool, bool],
    has_bias: bool,
    smoothing: float,
    softcap: float | None,
    scale: float,
    reduction: str,
    has_weights: bool,
) -> None:
    results = []
    weights_N = torch.linspace(0.3, 5, positions) if has_weights else None
    for is_ours in (True, False):
        tensors = _tensors(positions, vocabulary)
        tensors["hidden"].requires_grad_(trains[0])
        tensors["weight"].requires_grad_(trains[1])
        tensors["bias"].requires_grad_(trains[1] and has_bias)
        asked: dict[str, Any] = {
            "bias": tensors["bias"] if has_bias else None,
            "label_smoothing": smoothing,
            "softcap": softcap,
            "logit_scale": scale,
            "reduction": reduction,
        }
        if is_ours and weights_N is not None:
            asked["weights_N"] = weights_N
        if is_ours:
            loss = linear_cross_entropy(tensors["hidden"], tensors["weight"], tensors["targets"], **asked)
        else:
            loss = _reference(tensors, asked if weights_N is None else {**asked, "reduction": "none"})
            if weights_N is not None:
                loss = loss * weights_N
                loss = {"sum": loss.sum(), "mean": loss.mean(), "none": loss}[reduction]
        if any(trains):
            weights = torch.linspace(-1, 2, positions) if reduction == "none" else torch.tensor(1.7)
            (loss * weights).sum().backward()
        results.append([loss.detach(), tensors["hidden"].grad, tensors["weight"].grad, tensors["bias"].grad])
    for found, expected in zip(*results, strict=True):
        if expected is None:
            assert found is None
        else:
            scale_of = max(1.0, float(expected.abs().max()))
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * scale_of)


def test_known_values() -> None:
    """Equal logits over V classes cost log V; a certain right answer costs nothing."""
    zero = linear_cross_entropy(torch.zeros(4, 3), torch.randn(11, 3), torch.tensor([0, 3, 5, 10]))
    assert float(zero) == pytest.approx(4 * math.log(11))
    certain = linear_cross_entropy(torch.tensor([[100.0]]), torch.tensor([[1.0], [-1.0]]), torch.tensor([0]))
    assert float(certain) == pytest.approx(0, abs=1e-6)


def test_no_position_costs_nothing_and_gives_zero_gradients() -> None:
    tensors = _tensors(1, 7)
    hidden = tensors["hidden"][:0].requires_grad_()
    weight = tensors["weight"].requires_grad_()
    for reduction in ("sum", "mean"):
        loss = linear_cross_entropy(hidden, weight, tensors["targets"][:0], reduction=reduction)
        assert float(loss.detach()) == 0
        loss.backward()
    assert weight.grad is not None and not weight.grad.any()


def test_very_wrong_answers_keep_their_exact_loss() -> None:
    """The softmax underflows below 1e-30: the loss must not become infinite."""
    hidden = torch.tensor([[200.0]], requires_grad=True)
    loss = linear_cross_entropy(hidden, torch.tensor([[1.0], [-1.0]]), torch.tensor([1]))
    assert float(loss.detach()) == pytest.approx(400)
    loss.backward()
    assert hidden.grad is not None and float(hidden.grad) == pytest.approx(2)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_bfloat16_errs_no_more_than_torch(smoothing: float) -> None:
    """Against float64 over the same bfloat16 tensors."""

    def gradient(dtype: torch.dtype, is_ours: bool) -> tuple[float, Tensor]:
        tensors = _tensors(300, 3000, torch.bfloat16)
        hidden = tensors["hidden"].to(dtype).requires_grad_()
        weight = tensors["weight"].to(dtype)
        if is_ours:
            loss = linear_cross_entropy(hidden, weight, tensors["targets"], label_smoothing=smoothing)
        else:
            logits = hidden @ weight.T
            logits = logits.float() if dtype == torch.bfloat16 else logits
            loss = torch.nn.functional.cross_entropy(
                logits, tensors["targets"], reduction="sum", label_smoothing=smoothing
            )
        loss.backward()
        assert hidden.grad is not None
        return float(loss.detach()), hidden.grad.double()

    true_loss, truth = gradient(torch.float64, False)
    our_loss, ours = gradient(torch.bfloat16, True)
    their_loss, theirs = gradient(torch.bfloat16, False)
    assert (ours - truth).norm() <= 1.5 * (theirs - truth).norm()
    assert our_loss == pytest.approx(true_loss, rel=1e-3)


def test_without_gradients_none_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trained head asks for its gradient even under no_grad; evaluation must not pay for it."""
    tensors = _tensors(20, 7)
    weight = tensors["weight"].requires_grad_()
    expected = linear_cross_entropy(tensors["hidden"], weight, tensors["targets"])

    def fail(*_: object) -> None:
        raise AssertionError("a gradient of the head was begun")

    monkeypatch.setattr(module, "_HeadGradient", fail)
    with torch.no_grad():
        found = linear_cross_entropy(tensors["hidden"], weight, tensors["targets"])
    torch.testing.assert_close(found, expected.detach())


def test_second_backward_through_the_same_graph_scales_once() -> None:
    tensors = _tensors(20, 7)
    hidden, weight = tensors["hidden"].requires_grad_(), tensors["weight"].requires_grad_()
    loss = linear_cross_entropy(hidden, weight, tensors["targets"])
    first = torch.autograd.grad(loss * 3, [hidden, weight], retain_graph=True)
    second = torch.autograd.grad(loss * 3, [hidden, weight])
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


def test_no_tensor_of_positions_times_vocabulary_is_made() -> None:
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for value in out if isinstance(out, tuple | list) else (out,):
                if isinstance(value, Tensor):
                    largest = max(largest, value.numel())
            return out

    tensors = _tensors(2000, 900)
    hidden = tensors["hidden"].requires_grad_()
    with Watch():
        linear_cross_entropy(hidden, tensors["weight"], tensors["targets"]).backward()
    assert 128 * 900 <= largest <= 512 * 900


def test_unknown_reduction_is_refused() -> None:
    tensors = _tensors(2, 7)
    with pytest.raises(ValueError, match="'max'"):
        linear_cross_entropy(tensors["hidden"], tensors["weight"], tensors["targets"], reduction="max")


def test_the_head_runs_in_the_type_that_autocast_asks_for() -> None:
    """Under autocast the last norm leaves float32; the head's product would cost four times as much in it."""
    tensors = _tensors(30, 7)
    hidden = tensors["hidden"].requires_grad_()
    rounded = _tensors(30, 7, torch.bfloat16)
    expected = linear_cross_entropy(rounded["hidden"], rounded["weight"], rounded["targets"])
    with torch.autocast("cpu", torch.bfloat16):
        found = linear_cross_entropy(hidden, tensors["weight"], tensors["targets"])
    assert torch.equal(found, expected)
    found.backward()
    assert hidden.grad is not None and hidden.grad.dtype == torch.float32
