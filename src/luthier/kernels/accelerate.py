"""Put the fast path into an unmodified transformers model, say which parts are fast, and take it out again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from luthier.kernels.allocator import keep_freed_memory
from luthier.kernels.causal_loss import COMPARED_FAMILIES, CausalLM, split_obstacle
from luthier.kernels.headed_decoder import HeadedDecoder
from luthier.kernels.layers import patch_feed_forward, patch_linear_layers, patch_norms
from luthier.kernels.loss_forward import patch_loss
from luthier.kernels.packed_encoder import Encoder, EncoderPacking
from luthier.kernels.packed_trunk import PREFIX, TrunkPacking, register_attention
from luthier.kernels.patch import Acceleration, Patch
from luthier.kernels.rotary import patch_rotary
from luthier.kernels.token_rows import patch_token_rows
from luthier.models.virtual_tokens import has_prefix


def accelerate(
    model: Any, *, compute_dtype: torch.dtype | None = None, fused_loss: bool = True
) -> Acceleration:
    """Put the fast path into a causal language model or an encoder, in place.

    Call it after PEFT wrapped the model. Names, parameters and state dictionaries stay as they are, so optimizers,
    checkpoints, Hugging Face Trainer and gradient checkpointing do not notice. Computation and results are those of
    the plain model up to rounding. A model that is accelerated already, or that cannot be, is left as it is, and
    the report says so.

    Args:
        model: A transformers causal language model, a decoder with a task's head, or a BERT-like encoder with any
            head; alone or under PEFT.
        compute_dtype: Type of matrix products and activations; by default bfloat16 where any matrix is stored so,
            else float32. Trained float32 weights with bfloat16 here give mixed precision with float32 masters.
        fused_loss: In training mode, a call with ``labels`` returns the loss without forming logits
            (``logits`` is None). Off for trainers that read the logits of every step.

    Returns:
        The report, and the way back.
    """
    allocator = keep_freed_memory()
    headed = Encoder.of(model) or HeadedDecoder.of(model)
    if headed is None and (obstacle := split_obstacle(model)):
        acceleration = Acceleration([], allocator, compute_dtype or _stored_dtype(model))
        Patch(acceleration).report("model", 0, [obstacle])
        return acceleration
    parts: CausalLM | HeadedDecoder | Encoder = headed or CausalLM.of(model)
    acceleration = Acceleration([], allocator, compute_dtype or _stored_dtype(parts.base))
    patch = Patch(acceleration)
    if getattr(parts.base, _MARK, False):
        patch.report("model", 0, ["it is accelerated already"])
        return acceleration
    setattr(parts.base, _MARK, True)
    patch.on_undo(lambda: delattr(parts.base, _MARK))
    _patch_attention(parts, patch, has_prefix(model))
    patch_linear_layers(parts, patch)
    patch_feed_forward(parts, patch)
    patch_norms(parts, patch)
    patch_token_rows(parts.base, patch)
    patch_rotary(parts.trunk, patch)
    if fused_loss and isinstance(parts, CausalLM):
        patch_loss(parts, patch)
    return acceleration


@contextmanager
def accelerated(model: Any, dtype: torch.dtype) -> Iterator[Acceleration]:
    """Run a model on the fast path for a while, and leave it as it was; one that is fast already stays so."""
    acceleration = accelerate(model, compute_dtype=dtype, fused_loss=False)
    try:
        yield acceleration
    finally:
        acceleration.undo()


_MARK = "luthier_is_accelerated"


def _stored_dtype(base: nn.Module) -> torch.dtype:
    stored = {p.dtype for p in base.parameters() if p.dim() == 2}
    return torch.bfloat16 if torch.bfloat16 in stored else torch.float32


def _patch_attention(parts: CausalLM | HeadedDecoder | Encoder, patch: Patch, is_prefixed: bool) -> None:
    config = parts.base.config
    prefixed = "a prefix stands in the cache of keys, which packed rows do not have" if is_prefixed else None
    if obstacle := prefixed or _attention_obstacle(config, parts):
        patch.report("attention", 0, [obstacle] * config.num_hidden_layers)
        return
    original = config._attn_implementation
    parts.base.set_attn_implementation(register_attention(original))
    patch.on_undo(lambda: parts.base.set_attn_implementation(original))
    packing = EncoderPacking(parts.trunk) if isinstance(parts, Encoder) else TrunkPacking(parts.trunk)
    patch.acceleration.packing = packing
    patch.on_undo(packing.remove)
    patch.report("attention", config.num_hidden_layers, [])


def _attention_obstacle(config: Any, parts: CausalLM | HeadedDecoder | Encoder) -> str | None:
    if config._attn_implementation not in ("sdpa", "eager"):
        chosen = config._attn_implementation.removeprefix(PREFIX)
        return f"attention {chosen!r} was chosen"
    if any(p.device.type != "cpu" for p in parts.trunk.parameters()):
        return "its kernels are for the CPU"
    if isinstance(parts, Encoder):
        return None
    if config.model_type not in COMPARED_FAMILIES:
        return f"model type {config.model_type!r} is not among those compared with transformers"
    if getattr(config, "use_bidirectional_attention", False) or not getattr(config, "is_causal", True):
        return "attention is bidirectional"
    return None
