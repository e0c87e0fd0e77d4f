"""Exact attention over packed sequences as grouped matrix products, with memory linear in the tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from luthier.kernels import compiled
from luthier.kernels.autocast import wanted_dtype, without_autocast
from luthier.kernels.sequence_layout import SequenceLayout

# Shapes: N tokens of all sequences, M of those that are computed (beginnings that sequences share are computed once)
# with those that fill the row up, H query heads, J key-value heads, G = H / J query heads of one key-value head,
# D width of a head, Q queries and K keys of one block.

_QUERY_BLOCK = 256
"""Queries of one block: its scores fit the cache, and a causal sequence does not compute its upper triangle."""
_KEEP_PROBABILITIES_UP_TO = 512
"""Sequences up to this length keep their probabilities for the backward pass, longer ones compute them again."""
_KEY_MULTIPLE = 32
"""Keys are padded to whole vectors: the softmax of torch on CPU is up to twice as fast."""


@dataclass(frozen=True)
class AttentionSettings:
    """What one layer's attention computes besides its inputs.

    Args:
        scaling: Factor of the scores.
        window: A query sees itself and the ``window - 1`` tokens before it; None for all.
        softcap: Scores become ``softcap * tanh(score / softcap)``; None for no cap.
        is_causal: A query sees no later token; otherwise it sees its whole sequence.
        dropout: Share of the probabilities that is dropped.
    """

    scaling: float
    window: int | None = None
    softcap: float | None = None
    is_causal: bool = True
    dropout: float = 0.0


@dataclass(frozen=True)
class _Block:
    """Queries ``q0:q1`` of the computed tokens against keys ``k0:k1`` of all tokens.

    ``lead`` keys stand before the first query's own; those from ``num_keys`` on are hidden filling.
    """

    q0: int
    q1: int
    k0: int
    k1: int
    lead: int
    num_keys: int
    keeps_probabilities: bool


def _blocks(layout: SequenceLayout, settings: AttentionSettings) -> Iterator[_Block]:
    for span in layout.query_spans:
        # What was dropped cannot be computed again.
        is_kept = span.end - span.start <= _KEEP_PROBABILITIES_UP_TO or settings.dropout > 0
        begin = span.start + span.num_shared
        if begin == span.end:
            continue
        num_blocks = -(-(span.end - begin) // _QUERY_BLOCK)
        step = -(-(span.end - begin) // num_blocks)
        for first in range(begin, span.end, step):
            last = min(first + step, span.end)
            k0 = span.start if settings.window is None else max(span.start, first - settings.window + 1)
            num_keys = (last if settings.is_causal else span.end) - k0
            width = -(-num_keys // _KEY_MULTIPLE) * _KEY_MULTIPLE
            q0 = span.first_query + first - begin
            yield _Block(q0, q0 + last - first, k0, k0 + width, first - k0, num_keys, is_kept)


def packed_attention(
    query_MHD: Tensor, key_MJD: Tensor, value_MJD: Tensor, layout: SequenceLayout, settings: AttentionSettings
) -> Tensor:
    """Attend within each sequence of a packed row.

    Args:
        query_MHD: Queries of H heads.
        key_MJD: Keys of J heads; query head h looks at key-value head ``h // (H / J)``.
        value_MJD: Values.
        layout: Boundaries of the sequences, and what they share; rows beyond its computed tokens are filling.
        settings: Scale, window, cap, causality.

    Returns:
        [M, H, D], differentiable with respect to queries, keys and values; zero where rows are filling.
    """
    # Under autocast rotary embeddings leave queries and keys in float32 beside values in bfloat16.
    dtype = wanted_dtype(query_MHD.dtype)
    return _PackedAttention.apply(
        query_MHD.to(dtype), key_MJD.to(dtype), value_MJD.to(dtype), layout, settings
    )


def _by_head(values_MJD: Tensor, layout: SequenceLayout) -> Tensor:
    """Return [J, N + filling, D], contiguous, the filling zero: every sequence with its own copy of what it shares."""
    if layout.shared is not None:
        values_MJD = values_MJD.index_select(0, layout.shared.place_N)
    values_MJD = values_MJD[: layout.num_tokens]
    num_tokens, num_heads, width = values_MJD.shape
    padded = values_MJD.new_empty(num_heads, num_tokens + _KEY_MULTIPLE, width)
    padded[:, num_tokens:].zero_()
    padded[:, :num_tokens].copy_(values_MJD.transpose(0, 1))
    return padded


def _by_token(grad_JND: Tensor, layout: SequenceLayout, like_MJD: Tensor) -> Tensor:
    """Return the gradient [M, J, D] of what `_by_head` laid out."""
    grad_JND = grad_JND[:, : layout.num_tokens]
    if layout.shared is not None:
        grad_JND = layout.shared.collect(grad_JND)
    grad_MJD = _empty_but_for_filling(like_MJD, layout)
    grad_MJD[: layout.num_computed].copy_(grad_JND.transpose(0, 1))
    return grad_MJD


def _empty_but_for_filling(like_MHD: Tensor, layout: SequenceLayout) -> Tensor:
    """Return memory for [M, H, D], zero where rows are filling."""
    made = torch.empty(like_MHD.shape, dtype=like_MHD.dtype)
    made[layout.num_computed :].zero_()
    return made


def _grouped(values_QHD: Tensor, num_groups: int) -> Tensor:
    """Return [J, G * Q, D]: the query heads of one key-value head folded into the rows."""
    num_queries, num_heads, width = values_QHD.shape
    split = values_QHD.view(num_queries, num_heads // num_groups, num_groups, width)
    return split.permute(1, 2, 0, 3).reshape(num_heads // num_groups, num_groups * num_queries, width)


def _ungroup_into(out_QHD: Tensor, values_JRD: Tensor, num_groups: int) -> None:
    """Write [J, G * Q, D] back to [Q, H, D]."""
    num_queries, num_heads, width = out_QHD.shape
    split = values_JRD.view(num_heads // num_groups, num_groups, num_queries, width)
    out_QHD.view(num_queries, num_heads // num_groups, num_groups, width).copy_(split.permute(2, 0, 1, 3))


def _probabilities(
    query_JRD: Tensor, key_JKD: Tensor, block: _Block, layout: SequenceLayout, settings: AttentionSettings
) -> tuple[Tensor, Tensor | None]:
    """Return the probabilities [J, G * Q, K] and, with a soft cap, the cap's derivative."""
    scores = torch.bmm(query_JRD, key_JKD.transpose(1, 2))
    num_queries, num_keys = block.q1 - block.q0, key_JKD.shape[1]
    slope = None
    scaling = settings.scaling
    if settings.softcap is None and scaling > 0 and compiled.fits(scores):
        compiled.softmax_(
            scores,
            num_queries=num_queries,
            lead=block.lead,
            window=settings.window,
            num_visible=block.num_keys,
            is_causal=settings.is_causal,
            scaling=scaling,
        )
        return scores, None
    if settings.softcap is not None:
        bent = scores.mul_(scaling / settings.softcap).tanh_()
        slope = 1 - bent.square()
        scaling = settings.softcap
    if not settings.is_causal:
        scores.mul_(scaling)
        scores[..., block.num_keys :] = -torch.inf
        return torch.softmax(scores, dim=-1), slope
    lead = block.lead
    by_group = scores.view(scores.shape[0], -1, num_queries, num_keys)
    if settings.window is None and lead:
        # Every query sees all keys before the block: a mask over those would grow with the square of the length.
        by_group[..., :lead].mul_(scaling)
        by_group, num_keys, lead = by_group[..., lead:], num_keys - lead, 0
    mask = layout.mask_QK(num_queries, num_keys, lead, settings.window, scores.dtype)
    torch.add(mask, by_group, alpha=scaling, out=by_group)
    return torch.softmax(scores, dim=-1), slope


def _dropout_noise(probability_JRK: Tensor, dropout: float) -> Tensor:
    """Return what each probability is multiplied by: 0, or as much that the mean is 1."""
    return torch.empty_like(probability_JRK).bernoulli_(1 - dropout).div_(1 - dropout)


class _PackedAttention(torch.autograd.Function):
    @staticmethod
    @without_autocast
    def forward(
        ctx: Any,
        query_MHD: Tensor,
        key_MJD: Tensor,
        value_MJD: Tensor,
        layout: SequenceLayout,
        settings: AttentionSettings,
    ) -> Tensor:
        num_groups = query_MHD.shape[1] // key_MJD.shape[1]
        key_JND, value_JND = _by_head(key_MJD, layout), _by_head(value_MJD, layout)
        out_MHD = _empty_but_for_filling(query_MHD, layout)
        needs_gradient = any(ctx.needs_input_grad[:3])
        kept: list[Tensor] = []
        for block in _blocks(layout, settings):
            query_JRD = _grouped(query_MHD[block.q0 : block.q1], num_groups)
            probability_JRK, slope = _probabilities(
                query_JRD, key_JND[:, block.k0 : block.k1], block, layout, settings
            )
            if needs_gradient and block.keeps_probabilities and slope is None:
                kept.append(probability_JRK)
            if settings.dropout:
                noise_JRK = _dropout_noise(probability_JRK, settings.dropout)
                probability_JRK = probability_JRK * noise_JRK
                kept.append(noise_JRK)
            result_JRD = torch.bmm(probability_JRK, value_JND[:, block.k0 : block.k1])
            _ungroup_into(out_MHD[block.q0 : block.q1], result_JRD, num_groups)
        ctx.layout, ctx.settings = layout, settings
        ctx.save_for_backward(query_MHD, key_MJD, value_MJD, *kept)
        return out_MHD

    @staticmethod
    @without_autocast
    def backward(ctx: Any, grad_MHD: Tensor) -> tuple[Tensor | None, ...]:
        query_MHD, key_MJD, value_MJD, *kept = ctx.saved_tensors
        layout, settings = ctx.layout, ctx.settings
        num_groups = query_MHD.shape[1] // key_MJD.shape[1]
        key_JND, value_JND = _by_head(key_MJD, layout), _by_head(value_MJD, layout)
        grad_query_MHD = _empty_but_for_filling(query_MHD, layout)
        # Blocks of one sequence add to the same keys: the sums are kept in float32.
        grad_key_JND = torch.zeros(key_JND.shape, dtype=torch.float32)
        grad_value_JND = torch.zeros(key_JND.shape, dtype=torch.float32)
        remaining = iter(kept)
        for block in _blocks(layout, settings):
            keys = slice(block.k0, block.k1)
            query_JRD = _grouped(query_MHD[block.q0 : block.q1], num_groups)
            grad_JRD = _grouped(grad_MHD[block.q0 : block.q1], num_groups)
            slope = None
            if block.keeps_probabilities and settings.softcap is None:
                probability_JRK = next(remaining)
            else:
                probability_JRK, slope = _probabilities(query_JRD, key_JND[:, keys], block, layout, settings)
            noise_JRK = next(remaining) if settings.dropout else None
            seen_JRK = probability_JRK if noise_JRK is None else probability_JRK * noise_JRK
            grad_value_JND[:, keys].add_(torch.bmm(seen_JRK.transpose(1, 2), grad_JRD))
            grad_JRK = torch.bmm(grad_JRD, value_JND[:, keys].transpose(1, 2))
            if noise_JRK is not None:
                grad_JRK.mul_(noise_JRK)
            if compiled.fits(grad_JRK, probability_JRK):
                compiled.softmax_backward_(grad_JRK, probability_JRK)
            else:
                grad_JRK = torch._softmax_backward_data(grad_JRK, probability_JRK, -1, grad_JRK.dtype)
            if slope is not None:
                grad_JRK.mul_(slope)
            grad_JRD = torch.bmm(grad_JRK, key_JND[:, keys]).mul_(settings.scaling)
            _ungroup_into(grad_query_MHD[block.q0 : block.q1], grad_JRD, num_groups)
            grad_key_JND[:, keys].add_(torch.bmm(grad_JRK.transpose(1, 2), query_JRD), alpha=settings.scaling)
        return (
            grad_query_MHD,
            _by_token(grad_key_JND, layout, key_MJD),
            _by_token(grad_value_JND, layout, value_MJD),
            None,
            None,
        )
