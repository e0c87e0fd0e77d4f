"""Run the layers of a BERT-like encoder on one packed row: no padding goes through them."""

from __future__ import annotations

from collections import Counter
from contextvars import Token
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from luthier.kernels.packed_trunk import LAYOUT, mask_is_implied
from luthier.kernels.sequence_layout import SequenceLayout

# Shapes: B rows, T tokens of a row, N tokens of all rows together, D hidden width.

COMPARED_ENCODERS = frozenset({"bert", "electra", "roberta", "xlm-roberta"})
"""Values of ``config.model_type`` whose outputs and gradients the tests compare with transformers' own."""


@dataclass(frozen=True)
class Encoder:
    """The parts of a (PEFT-wrapped) encoder with any head.

    Args:
        base: The transformers model.
        trunk: Embeddings and layers, below the head.
    """

    base: Any
    trunk: Any

    @classmethod
    def of(cls, model: Any) -> Encoder | None:
        """Take ``model`` apart, or return None if it is no encoder of a compared family."""
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        config = getattr(base, "config", None)
        if getattr(config, "model_type", None) not in COMPARED_ENCODERS or getattr(
            config, "is_decoder", False
        ):
            return None
        trunk = base.base_model
        return cls(base, trunk) if hasattr(trunk, "embeddings") and hasattr(trunk, "encoder") else None


class EncoderPacking:
    """Forward hooks: embeddings see rows, the layers one packed row, the pooler and the head rows again.

    Args:
        trunk: With ``embeddings`` and ``encoder``.

    Attributes:
        plain_calls: How often the layers ran as they are, by reason.
    """

    def __init__(self, trunk: Any) -> None:
        self.plain_calls: Counter[str] = Counter()
        self._running: list[tuple[SequenceLayout, Token[Any]] | None] = []
        self._handles = [
            trunk.register_forward_pre_hook(self._before, with_kwargs=True),
            trunk.register_forward_hook(self._after, with_kwargs=True, always_call=True),
            trunk.encoder.register_forward_pre_hook(self._before_layers, with_kwargs=True),
            trunk.encoder.register_forward_hook(self._after_layers, with_kwargs=True),
        ]

    def remove(self) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()

    def _before(self, trunk: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tokens = args[0] if args else kwargs.get("input_ids")
        mask = args[1] if len(args) > 1 else kwargs.get("attention_mask")
        layout, reason = self._layout_of(trunk, tokens, mask, kwargs)
        if layout is None:
            self.plain_calls[reason] += 1
            self._running.append(None)
        else:
            self._running.append((layout, mask_is_implied.set(trunk.config)))

    def _after(self, trunk: Any, args: Any, kwargs: Any, outputs: Any) -> None:
        if running := self._running.pop():
            mask_is_implied.reset(running[1])

    def _before_layers(self, encoder: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if running := self._running[-1]:
            hidden_BTD, *rest = args
            kwargs = {**kwargs, LAYOUT: running[0], "attention_mask": None}
            return (running[0].pack(hidden_BTD), *rest), kwargs
        return None

    def _after_layers(self, encoder: Any, args: Any, kwargs: dict[str, Any], outputs: Any) -> Any:
        if running := self._running[-1]:
            layout = running[0]
            num_rows = len(layout.boundaries) - 1
            shape = layout.padded_shape or (num_rows, layout.num_tokens // num_rows)
            outputs.last_hidden_state = layout.unpack(outputs.last_hidden_state, shape)
        return outputs

    @staticmethod
    def _layout_of(
        trunk: nn.Module, tokens: Any, mask: Any, kwargs: dict[str, Any]
    ) -> tuple[SequenceLayout | None, str]:
        """Return the layout; or None and the reason."""
        config: Any = trunk.config
        tokens = kwargs.get("inputs_embeds") if tokens is None else tokens
        if tokens is None:
            return None, "neither input_ids nor inputs_embeds are given"
        for name in ("output_attentions", "output_hidden_states"):
            asked = kwargs.get(name)
            if asked if asked is not None else getattr(config, name, False):
                return None, f"{name} is asked for"
        if kwargs.get("encoder_hidden_states") is not None:
            return None, "another encoder's states are attended to"
        if kwargs.get("past_key_values") is not None:
            return None, "keys and values from outside are attended to"
        if mask is None:
            return SequenceLayout.from_rows(tokens.shape[0], tokens.shape[1]), ""
        if not isinstance(mask, Tensor) or mask.shape != tokens.shape[:2]:
            return None, "a ready-made mask is given"
        layout = SequenceLayout.from_mask(mask)
        return layout, "" if layout else "a row's mask has gaps or no token at all"
