"""Virtual tokens of soft prompts and prefixes, put in below the head: right for packed, padded and cached rows alike.

PEFT puts them in around the whole model, where it ignores positions: packed rows and rows padded on the left would come
out wrong without a word. Here they come in where the layers begin and are gone again where the head begins, so that
objectives, the fast path and decoding need not know of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

# Shapes: B rows, T tokens of a row, V virtual tokens, D hidden width.

MARK = "luthier_virtual_tokens"
"""Attribute of a ``peft.PeftModel`` whose virtual tokens are put in here."""


def put_below_head(model: Any) -> Any:
    """Let a ``peft.PeftModel`` of soft prompts or prefixes put its virtual tokens in below the head; return it."""
    kind = type(model)
    # The class keeps its name, which is written into model cards and read by others.
    model.__class__ = type(kind.__name__, (_BelowHead, kind), {"__module__": kind.__module__})
    setattr(model, MARK, VirtualTokens(model))
    return model


def has_prefix(model: Any) -> bool:
    """Whether a ``peft.PeftModel`` puts trained keys and values before each row."""
    config = getattr(model, "active_peft_config", None)
    return config is not None and config.peft_type == "PREFIX_TUNING"


class _BelowHead:
    """Mixin that is put before ``peft.PeftModel``."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the base, whose trunk puts the virtual tokens in."""
        model: Any = self
        return model.get_base_model()(*args, **kwargs)

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """Run the base alone."""
        with getattr(self, MARK).off():
            yield

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """Generate as PEFT does, which puts them in itself."""
        with getattr(self, MARK).off():
            return super().generate(*args, **kwargs)  # type: ignore[misc]


class VirtualTokens:
    """Forward hooks of the trunk: virtual tokens in, their hidden states out again.

    Args:
        model: A ``peft.PeftModel``.
    """

    def __init__(self, model: Any) -> None:
        base = model.get_base_model()
        trunk = getattr(base, base.base_model_prefix)
        self._model = model
        self._names = [name for name in inspect.signature(type(trunk).forward).parameters if name != "self"]
        self._is_on = True
        self._kept: list[Callable[[Tensor], Tensor] | None] = []
        trunk.register_forward_pre_hook(self._before, with_kwargs=True)
        trunk.register_forward_hook(self._after, always_call=True)

    @contextmanager
    def off(self) -> Iterator[None]:
        """Leave the trunk as it is."""
        was_on, self._is_on = self._is_on, False
        try:
            yield
        finally:
            self._is_on = was_on

    def _before(self, trunk: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        keep: Callable[[Tensor], Tensor] | None = None
        if self._is_on:
            kwargs = {**dict(zip(self._names, args, strict=False)), **kwargs}
            args = ()
            cache = kwargs.get("past_key_values")
            if cache is not None and cache.get_seq_length():
                self._shift(kwargs)
            elif has_prefix(self._model):
                self._add_keys(kwargs)
            elif _is_packed(kwargs):
                keep = self._add_to_each(trunk, kwargs)
            else:
                keep = self._add_to_rows(trunk, kwargs)
        self._kept.append(keep)
        return args, kwargs

    def _after(self, trunk: Any, args: Any, outputs: Any) -> Any:
        keep = self._kept.pop()
        if keep is None or outputs is None:
            return outputs
        if isinstance(outputs, tuple):
            raise NotImplementedError("virtual tokens need a model that returns its outputs by name")
        outputs.last_hidden_state = keep(outputs.last_hidden_state)
        if outputs.get("hidden_states") is not None:
            outputs.hidden_states = tuple(keep(hidden_BTD) for hidden_BTD in outputs.hidden_states)
        return outputs

    def _shift(self, kwargs: dict[str, Any], *, has_rows: bool = False) -> None:
        """Make room for the virtual tokens in mask and positions; the cache may hold them already.

        Args:
            kwargs: Of the trunk.
            has_rows: Whether they are among the rows that are computed, and not among keys and values alone.
        """
        length = self._model.active_peft_config.num_virtual_tokens
        if kwargs.get("attention_mask") is not None:
            kwargs["attention_mask"] = _widened(kwargs["attention_mask"], length, has_rows=has_rows)
        if kwargs.get("position_ids") is not None:
            kwargs["position_ids"] = kwargs["position_ids"] + length

    def _add_keys(self, kwargs: dict[str, Any]) -> None:
        """A prefix is a cache of keys and values that is there before the first token."""
        if _is_packed(kwargs):
            raise NotImplementedError("a prefix stands before whole rows, these are packed")
        self._shift(kwargs)
        kwargs["past_key_values"] = self._model.get_prompt(batch_size=_tokens(kwargs).shape[0])

    def _embedded(self, trunk: Any, kwargs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Return the embeddings of tokens [B, T, D] and prompt [V, D]; the former replace the token ids."""
        tokens_BT = kwargs.pop("input_ids", None)
        if tokens_BT is not None:
            kwargs["inputs_embeds"] = trunk.get_input_embeddings()(tokens_BT)
        embedded_BTD = kwargs["inputs_embeds"]
        return embedded_BTD, self._model.get_prompt(batch_size=1)[0].to(embedded_BTD.dtype)

    def _add_to_rows(self, trunk: Any, kwargs: dict[str, Any]) -> Callable[[Tensor], Tensor]:
        embedded_BTD, prompt_VD = self._embedded(trunk, kwargs)
        rows, tokens = embedded_BTD.shape[:2]
        length = len(prompt_VD)
        if kwargs.get("position_ids") is None:
            kwargs["position_ids"] = torch.arange(tokens, device=embedded_BTD.device)[None].expand(rows, -1)
        self._shift(kwargs, has_rows=True)
        first = torch.arange(length, device=embedded_BTD.device)[None].expand(rows, -1)
        kwargs["position_ids"] = torch.cat([first, kwargs["position_ids"].expand(rows, -1)], dim=1)
        kwargs["inputs_embeds"] = torch.cat([prompt_VD.expand(rows, -1, -1), embedded_BTD], dim=1)
        return lambda hidden_BTD: hidden_BTD[:, length:]

    def _add_to_each(self, trunk: Any, kwargs: dict[str, Any]) -> Callable[[Tensor], Tensor]:
        """Put the prompt before each sequence of one packed row."""
        embedded_1TD, prompt_VD = self._embedded(trunk, kwargs)
        positions_T = kwargs["position_ids"][0]
        length, device = len(prompt_VD), embedded_1TD.device
        starts = (positions_T == 0).nonzero().flatten().tolist()
        ends = [*starts[1:], len(positions_T)]
        pieces, positions, places = [], [], []
        for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
            pieces += [prompt_VD, embedded_1TD[0, start:end]]
            positions += [torch.arange(length, device=device), positions_T[start:end] + length]
            places.append(torch.arange(start, end, device=device) + (number + 1) * length)
        kwargs["inputs_embeds"] = torch.cat(pieces)[None]
        kwargs["position_ids"] = torch.cat(positions)[None]
        kept_T = torch.cat(places)
        return lambda hidden_BTD: hidden_BTD.index_select(1, kept_T)


def _tokens(kwargs: dict[str, Any]) -> Tensor:
    tokens: Tensor = kwargs["input_ids"] if kwargs.get("input_ids") is not None else kwargs["inputs_embeds"]
    return tokens


def _widened(mask: Tensor, length: int, *, has_rows: bool) -> Tensor:
    """Return a mask in which all tokens see the virtual ones: one by token [B, T], or added to scores [B, 1, T, T]."""
    if mask.ndim == 2:
        return torch.cat([mask.new_ones(len(mask), length), mask], dim=1)
    if not mask.is_floating_point():
        raise NotImplementedError("a mask of every pair of tokens must be one that is added to scores")
    rows, heads, queries, keys = mask.shape
    wide = torch.cat([mask.new_zeros(rows, heads, queries, length), mask], dim=3)
    if not has_rows:
        return wide
    own = mask.new_full((length, length + keys), torch.finfo(mask.dtype).min).triu(1)
    return torch.cat([own.expand(rows, heads, -1, -1), wide], dim=2)


def _is_packed(kwargs: dict[str, Any]) -> bool:
    """Whether positions restart inside a row."""
    positions_BT = kwargs.get("position_ids")
    if positions_BT is None or kwargs.get("attention_mask") is not None:
        return False
    is_packed = bool((positions_BT[:, 1:] == 0).any())
    if is_packed and len(positions_BT) > 1:
        raise NotImplementedError("several packed rows at once")
    return is_packed
