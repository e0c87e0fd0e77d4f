"""Packed attention equals torch's scaled_dot_product_attention over each sequence by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from luthier.kernels.attention import AttentionSettings, packed_attention
from luthier.kernels.sequence_layout import SequenceLayout


def _layout(lengths: list[int]) -> SequenceLayout:
    return SequenceLayout((0, *torch.tensor(lengths).cumsum(0).tolist()))


def _inputs(num_tokens: int, heads: int, groups: int, width: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((num_tokens, heads * groups, width), (num_tokens, heads, width), (num_tokens, heads, width))
    made = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    return [tensor.requires_grad_() for tensor in made]


def _reference(
    query: Tensor, key: Tensor, value: Tensor, lengths: list[int], asked: AttentionSettings
) -> Tensor:
    """The textbook formula, a sequence at a time; without a cap through torch's own function."""
    results = []
    for q, k, v in zip(*(x.split(lengths) for x in (query, key, value)), strict=True):
        length = len(q)
        distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        visible = (distance >= 0) & (distance < (asked.window or length))
        q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
        if asked.softcap is None:
            out = torch.nn.functional.scaled_dot_product_attention(
                q, k, v, attn_mask=visible, scale=asked.scaling, enable_gqa=True
            )
        else:
            k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for x in (k, v))
            scores = torch.tanh(q @ k.transpose(2, 3) * asked.scaling / asked.softcap) * asked.softcap
            out = scores.masked_fill(~visible, -torch.inf).softmax(-1) @ v
        results.append(out[0].transpose(0, 1))
    return torch.cat(results)


def _compare(lengths: list[int], heads: int, groups: int, asked: AttentionSettings, width: int = 8) -> None:
    ours = _inputs(sum(lengths), heads, groups, width, torch.float32)
    # In double precision: torch's own float32 is off by more than ours here.
    theirs = [x.detach().double().requires_grad_() for x in ours]
    found = packed_attention(*ours, _layout(lengths), asked)
    expected = _reference(*theirs, lengths, asked)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad is not None
        torch.testing.assert_close(mine.grad.double(), other.grad, rtol=1e-3, atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    heads=st.integers(1, 3),
    groups=st.integers(1, 3),
    window=st.one_of(st.none(), st.integers(1, 400)),
    softcap=st.one_of(st.none(), st.floats(0.5, 50)),
    scaling=st.floats(0.05, 1.5),
)
def test_equals_the_formula(
    lengths: list[int], heads: int, groups: int, window: int | None, softcap: float | None, scaling: float
) -> None:
    _compare(lengths, heads, groups, AttentionSettings(scaling, window, softcap))


@pytest.mark.parametrize(
    "asked",
    [
        AttentionSettings(0.3),
        AttentionSettings(0.3, window=300),
        AttentionSettings(0.3, softcap=5.0),
        AttentionSettings(0.3, window=10, softcap=5.0),
    ],
    ids=str,
)
def test_sequences_of_several_blocks_equal_the_formula(asked: AttentionSettings) -> None:
    """Lengths around the block of 256 queries and the 512 tokens up to which probabilities are kept."""
    _compare([257, 512, 513, 1], 2, 2, asked)


def test_bfloat16_errs_little() -> None:
    """Probabilities and scores are rounded to 2^-9, as in transformers' eager attention."""
    lengths, asked = [200, 40, 700], AttentionSettings(0.35)
    truth = _reference(*_inputs(940, 2, 3, 16, torch.float32), lengths, asked)

    def error(result: Tensor) -> float:
        return float(((result.float() - truth).norm() / truth.norm()).detach())

    ours = error(packed_attention(*_inputs(940, 2, 3, 16, torch.bfloat16), _layout(lengths), asked))
    assert 2**-12 < ours < 2**-7


def test_a_sequence_does_not_see_its_neighbours() -> None:
    lengths = [30, 50, 20]
    inputs = [x.detach() for x in _inputs(100, 1, 2, 8, torch.float32)]
    before = packed_attention(*inputs, _layout(lengths), AttentionSettings(0.3))
    changed = [x.clone() for x in inputs]
    for tensor in changed:
        tensor[30:80] = 1e4
    after = packed_attention(*changed, _layout(lengths), AttentionSettings(0.3))
    outside = [*range(30), *range(80, 100)]
    assert torch.equal(after[outside], before[outside])


def test_runs_under_autocast_with_mixed_types() -> None:
    query, key, value = _inputs(60, 1, 2, 8, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        out = packed_attention(query, key, value.bfloat16(), _layout([20, 40]), AttentionSettings(0.3))
    assert out.dtype == torch.bfloat16
    out.sum().backward()
    assert query.grad is not None and query.grad.dtype == torch.float32


def test_memory_of_masks_grows_linearly_with_the_length() -> None:
    """A sequence of 8,192 tokens would need 32 blocks of up to 256 × 8,192 if every block kept its own mask."""

    def kept(length: int, window: int | None) -> int:
        layout: Any = _layout([length])
        inputs = [x.detach() for x in _inputs(length, 1, 1, 8, torch.float32)]
        packed_attention(*inputs, layout, AttentionSettings(0.3, window))
        return sum(mask.numel() for mask in layout._masks.values())

    for window in (None, 300):
        assert kept(8192, window) <= 2 * kept(2048, window)


def test_no_score_matrix_is_made() -> None:
    """All scores of 4 heads over 2,000 tokens would be 16 million numbers; a block has 256 queries at most."""
    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            if isinstance(out, Tensor):
                largest = max(largest, out.numel())
            return out

    inputs = _inputs(2000, 2, 2, 8, torch.float32)
    with Watch():
        packed_attention(*inputs, _layout([2000]), AttentionSettings(0.3)).sum().backward()
    assert 4 * 200 * 1000 < largest < 4 * 256 * 2048
