"""Run a transformers trunk on one packed row: hooks that pack and unpack, and the attention that they call."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from contextvars import ContextVar, Token
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from luthier.kernels.attention import AttentionSettings, packed_attention
from luthier.kernels.sequence_layout import ROW_MULTIPLE, SequenceLayout

# Shapes: B rows, T tokens of a row, H heads, D width of a head.

PREFIX = "luthier_"
LAYOUT = "luthier_layout"

mask_is_implied: ContextVar[Any] = ContextVar("mask_is_implied", default=None)
"""The configuration of the trunk that runs packed now: its mask follows from the layout and is never built."""

_UNSUPPORTED = ("position_bias", "s_aux", "head_mask", "cache")


def register_attention(original: str) -> str:
    """Register the packed attention over ``original`` with transformers and return its name.

    Without a layout, as in decoding with a cache, the original attention and mask run.
    """
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, AttentionInterface

    def attention(
        module: nn.Module,
        query_BHTD: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None]:
        layout = kwargs.pop(LAYOUT, None)
        if layout is not None:
            return _packed(module, query_BHTD, key, value, layout, scaling, dropout, kwargs), None
        plain = (
            ALL_ATTENTION_FUNCTIONS.get(original)
            or sys.modules[type(module).__module__].eager_attention_forward
        )
        if scaling is not None:
            kwargs["scaling"] = scaling
        return plain(module, query_BHTD, key, value, attention_mask, dropout=dropout, **kwargs)

    def mask(*args: Any, **kwargs: Any) -> Any:
        config = kwargs.get("config")
        if config is not None and mask_is_implied.get() is config:
            return None
        return ALL_MASK_ATTENTION_FUNCTIONS[original](*args, **kwargs)

    AttentionInterface.register(PREFIX + original, attention)
    AttentionMaskInterface.register(PREFIX + original, mask)
    return PREFIX + original


def _packed(
    module: Any,
    query_BHTD: Tensor,
    key_BJTD: Tensor,
    value_BJTD: Tensor,
    layout: SequenceLayout,
    scaling: float | None,
    dropout: float,
    kwargs: dict[str, Any],
) -> Tensor:
    is_causal = kwargs.get("is_causal")
    is_causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    if any(kwargs.get(name) is not None for name in _UNSUPPORTED):
        raise NotImplementedError(
            f"{type(module).__name__} asks for attention that the fast path does not compute"
        )
    settings = AttentionSettings(
        scaling=query_BHTD.shape[-1] ** -0.5 if scaling is None else scaling,
        window=kwargs.get("sliding_window"),
        softcap=kwargs.get("softcap"),
        is_causal=is_causal,
        dropout=dropout,
    )
    rows, tokens = query_BHTD.shape[0], query_BHTD.shape[2]
    query, key, value = (x.transpose(1, 2).flatten(0, 1) for x in (query_BHTD, key_BJTD, value_BJTD))
    return packed_attention(query, key, value, layout, settings).unflatten(0, (rows, tokens))


def _is_random(trunk: Any) -> bool:
    """Whether the same tokens may get different hidden states: dropout, or noise that a hook adds to embeddings."""
    if trunk.get_input_embeddings()._forward_hooks:
        return True
    if not trunk.training:
        return False
    drops = any(
        module.p > 0 for module in trunk.modules() if isinstance(module, nn.Dropout) and module.training
    )
    return drops or bool(getattr(trunk.config, "attention_dropout", 0.0))


class TrunkPacking:
    """Forward hooks of one trunk: rows in, one packed row through the layers, rows out.

    Args:
        trunk: Everything below the head.

    Attributes:
        plain_calls: How often the trunk ran as it is, by reason.
    """

    def __init__(self, trunk: nn.Module) -> None:
        self.plain_calls: Counter[str] = Counter()
        self._signature = inspect.signature(type(trunk).forward)
        self._running: list[tuple[SequenceLayout, tuple[int, int], Token[Any]] | None] = []
        self._handles = [
            trunk.register_forward_pre_hook(self._before, with_kwargs=True),
            # The last to change the inputs is the first to see the outputs: virtual tokens came in before.
            trunk.register_forward_hook(self._after, prepend=True, with_kwargs=True, always_call=True),
        ]

    def remove(self) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()

    def _before(self, trunk: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            names = [name for name in self._signature.parameters if name != "self"]
            kwargs = {**dict(zip(names, args, strict=False)), **kwargs}
        layout, reason = self._layout_of(trunk, kwargs)
        if layout is None:
            if reason:
                self.plain_calls[reason] += 1
            self._running.append(None)
            return (), kwargs
        tokens = kwargs["input_ids"] if kwargs.get("input_ids") is not None else kwargs["inputs_embeds"]
        shape = (tokens.shape[0], tokens.shape[1])
        kwargs = dict(kwargs)
        if kwargs.get("position_ids") is None:
            kwargs["position_ids"] = torch.arange(shape[1])[None].expand(shape)
        if not _is_random(
            trunk
        ):  # dropout draws a number a value, so that other rows would change what is dropped
            if kwargs.get("input_ids") is not None:
                layout = layout.sharing_prefixes(kwargs["input_ids"], kwargs["position_ids"].expand(shape))
            layout = replace(layout, multiple=ROW_MULTIPLE)
        for name in ("input_ids", "inputs_embeds", "position_ids"):
            if kwargs.get(name) is not None:
                kwargs[name] = layout.pack(kwargs[name].expand(*shape, *kwargs[name].shape[2:]))
        kwargs.update(attention_mask=None, use_cache=False)
        kwargs[LAYOUT] = layout
        self._running.append((layout, shape, mask_is_implied.set(trunk.config)))
        return (), kwargs

    def _after(self, trunk: Any, args: Any, kwargs: Any, outputs: Any) -> Any:
        running = self._running.pop()
        if running is None:
            return outputs
        layout, shape, token = running
        mask_is_implied.reset(token)
        if outputs is not None:
            outputs.last_hidden_state = layout.unpack(outputs.last_hidden_state, shape)
        return outputs

    def _layout_of(self, trunk: Any, kwargs: dict[str, Any]) -> tuple[SequenceLayout | None, str]:
        """Return the layout; or None and the reason, which is empty where the call has nothing to pack."""
        use_cache = kwargs.get("use_cache")
        if use_cache is None:
            use_cache = getattr(trunk.config, "use_cache", False) and not trunk.training
        if kwargs.get("past_key_values") is not None or use_cache:
            return None, ""
        for name in ("output_attentions", "output_hidden_states"):
            asked = kwargs.get(name)
            if asked if asked is not None else getattr(trunk.config, name, False):
                return None, f"{name} is asked for"
        if kwargs.get("return_dict") is False:
            return None, "a tuple is asked for"
        tokens = (
            kwargs.get("input_ids") if kwargs.get("input_ids") is not None else kwargs.get("inputs_embeds")
        )
        if tokens is None:
            return None, "neither input_ids nor inputs_embeds are given"
        mask, positions = kwargs.get("attention_mask"), kwargs.get("position_ids")
        if mask is not None and (not isinstance(mask, Tensor) or mask.shape != tokens.shape[:2]):
            return None, "a ready-made mask is given"
        if mask is not None:
            layout = SequenceLayout.from_mask(mask)
            return layout, "" if layout else "a row's mask has gaps or no token at all"
        if positions is not None:
            return SequenceLayout.from_positions(positions.expand(tokens.shape[:2])), ""
        return SequenceLayout.from_rows(tokens.shape[0], tokens.shape[1]), ""
