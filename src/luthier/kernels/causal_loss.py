"""The loss of a causal language model, with logits only where there is a label and never kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from luthier.kernels.linear_cross_entropy import linear_cross_entropy
from luthier.kernels.token_rows import TrainedRows, trained_rows
from luthier.models.virtual_tokens import MARK

if TYPE_CHECKING:
    from luthier.data.collate import Batch

# Shapes: B rows, T tokens of a row, N labelled positions, D hidden width, V vocabulary.

IGNORED = -100
COMPARED_FAMILIES = frozenset(
    {
        "llama", "qwen2", "qwen3", "mistral", "gemma", "gemma2", "gemma3_text", "phi", "phi3",
    }
)  # fmt: skip
"""Values of ``config.model_type`` whose attention, loss and gradients the tests compare with transformers' own."""
_CHUNK = 256
_obstacles: WeakKeyDictionary[nn.Module, str | None] = WeakKeyDictionary()


@dataclass(frozen=True)
class CausalLM:
    """The parts of a (PEFT-wrapped) causal language model.

    Args:
        base: The transformers model.
        trunk: Everything below the head.
        head: The head.
    """

    base: Any
    trunk: nn.Module
    head: nn.Module

    @classmethod
    def of(cls, model: Any) -> CausalLM:
        """Take ``model`` apart; `split_obstacle` says whether it can be."""
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        return cls(base, base.get_decoder(), base.get_output_embeddings())

    @property
    def softcap(self) -> float | None:
        """Cap of the logits (Gemma 2)."""
        return getattr(self.base.config, "final_logit_softcapping", None)

    @property
    def logit_scale(self) -> float:
        """Factor of the logits (Granite divides, Cohere multiplies)."""
        config = self.base.config
        return getattr(config, "logit_scale", None) or 1.0 / (getattr(config, "logits_scaling", None) or 1.0)

    @property
    def plain_head(self) -> nn.Linear | None:
        """The head where it is one matrix, also inside PEFT's ``modules_to_save``; None where adapters bend it."""
        head: Any = self.head
        if hasattr(head, "modules_to_save"):
            if head.disable_adapters:
                head = head.original_module
            elif len(head.active_adapters) == 1:
                head = head.modules_to_save[head.active_adapters[0]]
        return head if isinstance(head, nn.Linear) and not hasattr(head, "lora_A") else None

    @property
    def head_and_rows(self) -> tuple[nn.Linear | None, TrainedRows | None]:
        """The head where it is one matrix, with the rows that train in it alone; None where adapters bend it."""
        if (rows := trained_rows(self.head)) is not None:
            return rows.layer, rows
        return self.plain_head, None

    def loss(
        self,
        hidden_ND: Tensor,
        targets_N: Tensor,
        *,
        reduction: str = "sum",
        smoothing: float = 0.0,
        weights_N: Tensor | None = None,
    ) -> Tensor:
        """Return the cross-entropy at labelled positions, each times its weight."""
        head, rows = self.head_and_rows
        if head is not None:
            return linear_cross_entropy(
                hidden_ND,
                head.weight,
                targets_N,
                bias=head.bias,
                label_smoothing=smoothing,
                softcap=self.softcap,
                logit_scale=self.logit_scale,
                reduction=reduction,
                weights_N=weights_N,
                rows=rows,
            )
        losses = [
            checkpoint(
                self._chunk_loss,
                hidden_ND[i : i + _CHUNK],
                targets_N[i : i + _CHUNK],
                smoothing,
                use_reentrant=False,
            )
            for i in range(0, len(targets_N), _CHUNK)
        ]
        loss_N = torch.cat(losses) if losses else hidden_ND.sum(dim=-1).float()
        if weights_N is not None:
            loss_N = loss_N * weights_N
        return loss_N if reduction == "none" else loss_N.sum() if reduction == "sum" else loss_N.mean()

    def bent_logits(self, hidden_CD: Tensor) -> Tensor:
        """Return the logits as the model gives them, scaled and capped."""
        logits_CV = self.head(hidden_CD) * self.logit_scale
        if self.softcap is not None:
            logits_CV = torch.tanh(logits_CV / self.softcap) * self.softcap
        return logits_CV

    def _chunk_loss(self, hidden_CD: Tensor, targets_C: Tensor, smoothing: float) -> Tensor:
        logits_CV = self.bent_logits(hidden_CD)
        return nn.functional.cross_entropy(
            logits_CV.float(), targets_C, reduction="none", label_smoothing=smoothing
        )


def split_obstacle(model: Any) -> str | None:
    """Return why the loss cannot be computed from the hidden states and the head, or None if it can.

    Families that the tests do not compare are tried once on a few tokens: some scale or shift their logits.
    """
    adapter = getattr(model, "active_peft_config", None)
    if adapter is not None and adapter.is_prompt_learning and not hasattr(model, MARK):
        return "soft prompts are added by the model's own forward"
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if base not in _obstacles:
        _obstacles[base] = _tried(base)
    return _obstacles[base]


def _tried(base: Any) -> str | None:
    if not hasattr(base, "get_output_embeddings") or base.get_output_embeddings() is None:
        return f"{type(base).__name__} has no language-model head"
    if base.config.model_type in COMPARED_FAMILIES:
        return None
    parts = CausalLM.of(base)
    if parts.trunk is None or parts.trunk is base:
        return f"{type(base).__name__} names no decoder below its head"
    device = next(base.parameters()).device
    tokens = {"input_ids": torch.arange(1, 5, device=device)[None], "use_cache": False}
    modes = [(module, module.training) for module in base.modules()]
    base.eval()
    try:
        with torch.no_grad():
            expected = base(**tokens).logits.float()
            found = parts.bent_logits(parts.trunk(**tokens).last_hidden_state).float()
    finally:
        for module, was_training in modes:
            module.training = was_training
    # bfloat16 rounds products to 2^-8; a missing scale or shift is far beyond that.
    if found.shape == expected.shape and torch.allclose(found, expected, rtol=2e-2, atol=1e-3):
        return None
    return f"the logits of {type(base).__name__} are not its head's"


def labelled_positions(labels_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Return the places [N] in the flattened hidden states whose next token has a label, and those labels [N]."""
    next_BT = nn.functional.pad(labels_BT, (0, 1), value=IGNORED)[..., 1:]
    next_flat = next_BT.flatten()
    positions_N = (next_flat != IGNORED).nonzero().squeeze(1)
    return positions_N, next_flat[positions_N]


def causal_lm_loss(model: Any, batch: Batch, *, label_smoothing: float = 0.0) -> tuple[Tensor, int]:
    """Return the summed loss over the labelled tokens of a micro-batch, and their number.

    Each token's loss is multiplied by its weight, where the batch has weights. No logits are formed except at
    labelled positions, a chunk at a time. Works in training and evaluation mode,
    with and without gradients, for accelerated and plain models, with and without autocast.

    Args:
        model: A transformers causal language model, alone or under PEFT, accelerated or not.
        batch: Packed (one row, positions restart, the first label of each sequence ignored) or padded.
        label_smoothing: Share of each label spread over the vocabulary.

    Returns:
        The float32 sum (differentiable, also where no token has a label) and the number of labels.
    """
    positions_N, targets_N = labelled_positions(batch.labels)
    # A label stands one to the right of the position that predicts it.
    weights_N = None if batch.label_weights is None else batch.label_weights.flatten()[positions_N + 1]
    if split_obstacle(model):
        losses_N = _losses_of_logits(model, batch, positions_N, targets_N, label_smoothing)
        return (losses_N if weights_N is None else losses_N * weights_N).sum(), len(targets_N)
    hidden_ND = _hidden_states(model, batch, positions_N)
    loss = CausalLM.of(model).loss(hidden_ND, targets_N, smoothing=label_smoothing, weights_N=weights_N)
    return loss, len(targets_N)


def causal_lm_log_probabilities(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each labelled token [N], and its place [N] in the flattened labels.

    Args:
        model: As in `causal_lm_loss`.
        batch: As in `causal_lm_loss`.

    Returns:
        Float32 log-probabilities, differentiable, row after row; and int64 places in ``labels.flatten()``.
    """
    positions_N, targets_N = labelled_positions(batch.labels)
    if split_obstacle(model):
        return -_losses_of_logits(model, batch, positions_N, targets_N, 0.0), positions_N + 1
    hidden_ND = _hidden_states(model, batch, positions_N)
    return -CausalLM.of(model).loss(hidden_ND, targets_N, reduction="none"), positions_N + 1


def _inputs(batch: Batch) -> dict[str, Any]:
    return {
        "input_ids": batch.input_ids,
        "attention_mask": batch.attention_mask,
        "position_ids": batch.position_ids,
        "use_cache": False,
    }


def _hidden_states(model: Any, batch: Batch, positions_N: Tensor) -> Tensor:
    """Run everything below the head; return [N, D]."""
    hidden_BTD = CausalLM.of(model).trunk(**_inputs(batch)).last_hidden_state
    return hidden_BTD.flatten(0, 1).index_select(0, positions_N)


def _losses_of_logits(
    model: Any, batch: Batch, positions_N: Tensor, targets_N: Tensor, smoothing: float
) -> Tensor:
    """The plain way, with all logits, for models that cannot be split at the head."""
    logits_BTV = model(**_inputs(batch)).logits[:, -batch.labels.shape[1] :]  # soft prompts stand before
    logits_NV = logits_BTV.flatten(0, 1).index_select(0, positions_N).float()
    return nn.functional.cross_entropy(logits_NV, targets_N, reduction="none", label_smoothing=smoothing)
