"""The model's own forward with labels, which returns the loss without forming logits."""

from __future__ import annotations

import functools
from typing import Any

from luthier.kernels.causal_loss import COMPARED_FAMILIES, CausalLM, labelled_positions
from luthier.kernels.patch import Patch

_DEMANDS = ("shift_labels", "ignore_index")
"""Arguments of a call whose loss is another one."""


def patch_loss(parts: CausalLM, patch: Patch) -> None:
    """Let a training call with ``labels`` return the loss without logits."""
    base, name = parts.base, "loss in forward"
    if base.config.model_type not in COMPARED_FAMILIES or base.loss_type != "ForCausalLM":
        patch.report(name, 0, [f"model type {base.config.model_type!r} is not among those compared"])
        return
    original = type(base)

    # Trainers read the parameters of forward to choose the columns and arguments that they pass.
    @functools.wraps(original.forward)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not _takes_fused_loss(self, args, kwargs):
            return original.forward(self, *args, **kwargs)
        return _fused_loss(self, kwargs)

    patch.mix_in(base, type("FusedLossForward", (), {"forward": forward}))
    is_whole = parts.head_and_rows[0] is not None
    patch.report(name, int(is_whole), [] if is_whole else ["adapters bend the head: computed in chunks"])


def _takes_fused_loss(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    is_asked = model.training and not args and kwargs.get("labels") is not None
    returns_tuple = kwargs.get("return_dict") is False or not model.config.return_dict
    is_other = any(kwargs.get(name) is not None for name in _DEMANDS)
    keep = kwargs.get("logits_to_keep", 0)
    return is_asked and not returns_tuple and not is_other and isinstance(keep, int) and keep == 0


def _fused_loss(model: Any, given: dict[str, Any]) -> Any:
    from transformers.modeling_outputs import CausalLMOutputWithPast

    kwargs = {name: value for name, value in given.items() if name not in ("labels", "logits_to_keep")}
    num_items = kwargs.pop("num_items_in_batch", None)
    parts = CausalLM.of(model)
    outputs = parts.trunk(**kwargs)
    positions_N, targets_N = labelled_positions(given["labels"])
    hidden_ND = outputs.last_hidden_state.flatten(0, 1).index_select(0, positions_N)
    loss = parts.loss(hidden_ND, targets_N) / (len(targets_N) if num_items is None else num_items)
    return CausalLMOutputWithPast(
        loss=loss,
        past_key_values=outputs.past_key_values,
        hidden_states=outputs.hidden_states,
        attentions=outputs.attentions,
    )
