"""Tiny random models of the families that the fast path supports, batches for them, and the comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import Tensor

from luthier.kernels.causal_loss import IGNORED
from luthier.kernels.sequence_layout import ROW_MULTIPLE

Gradients = dict[str, Tensor | None]
VOCABULARY = 151

_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 8192,
    "attention_dropout": 0.0,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

_FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", {"num_key_value_heads": 2, "tie_word_embeddings": False}),
    "qwen3": (
        "Qwen3Config",
        "Qwen3ForCausalLM",
        {"num_key_value_heads": 1, "head_dim": 24, "tie_word_embeddings": True},
    ),
    "mistral": ("MistralConfig", "MistralForCausalLM", {"num_key_value_heads": 2, "sliding_window": 19}),
    "gemma": ("GemmaConfig", "GemmaForCausalLM", {"num_key_value_heads": 1, "head_dim": 16}),
    "gemma2": (
        "Gemma2Config",
        "Gemma2ForCausalLM",
        {"num_key_value_heads": 2, "head_dim": 16, "sliding_window": 17, "query_pre_attn_scalar": 24},
    ),
    "gemma3_text": (
        "Gemma3TextConfig",
        "Gemma3ForCausalLM",
        {
            "num_key_value_heads": 2,
            "head_dim": 16,
            "sliding_window": 17,
            "query_pre_attn_scalar": 24,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "phi": ("PhiConfig", "PhiForCausalLM", {"num_key_value_heads": 2, "resid_pdrop": 0.0, "embd_pdrop": 0.0}),
    "phi3": ("Phi3Config", "Phi3ForCausalLM", {"num_key_value_heads": 2, "sliding_window": 23}),
}

FAMILIES = tuple(_FAMILIES)


def tiny_model(family: str, *, seed: int = 0, attention: str | None = None, **changes: Any) -> Any:
    """Return a random model in training mode, its norms and biases not at their trivial start values."""
    config_name, class_name, settings = _FAMILIES[family]
    config = getattr(transformers, config_name)(**{**_COMMON, **settings, **changes})
    config._attn_implementation = attention  # None: the family's default
    torch.manual_seed(seed)
    model = getattr(transformers, class_name)(config)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.3 if parameter.dim() == 1 else 0.08
            parameter.add_(torch.randn(parameter.shape, generator=generator) * scale)
    return model.train()


def with_lora(model: Any, *, adapters: int = 1, seed: int = 3, **changes: Any) -> Any:
    """Return the model under LoRA whose B is not zero, so that every gradient is."""
    settings: dict[str, Any] = {
        "r": 4,
        "lora_alpha": 8,
        "lora_dropout": 0.0,
        "target_modules": "all-linear",
        "task_type": "CAUSAL_LM",
    }
    torch.manual_seed(seed)
    wrapped: Any = get_peft_model(model, LoraConfig(**{**settings, **changes}))
    names = ["default"]
    for number in range(1, adapters):
        names.append(f"more{number}")
        wrapped.add_adapter(
            names[-1], LoraConfig(**{**settings, "r": 3 + number, "lora_alpha": 5, **changes})
        )
    if adapters > 1:
        wrapped.base_model.set_adapter(names)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return wrapped.train()


@dataclass
class Inputs:
    """What a plain forward takes."""

    input_ids: Tensor
    labels: Tensor
    attention_mask: Tensor | None = None
    position_ids: Tensor | None = None

    def given(self) -> dict[str, Tensor]:
        """Return the tensors that are set."""
        return {name: value for name, value in vars(self).items() if value is not None}


def rows_of(
    lengths: Sequence[int], *, seed: int = 0, unlabelled: Sequence[int] = ()
) -> list[tuple[Tensor, Tensor]]:
    """Return (tokens, labels) of each row; about a third of the labels, and all of some rows, are ignored."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for number, length in enumerate(lengths):
        tokens = torch.randint(3, VOCABULARY, (length,), generator=generator)
        labels = tokens.clone()
        labels[torch.rand(length, generator=generator) < 0.35] = IGNORED
        if number in unlabelled:
            labels[:] = IGNORED
        rows.append((tokens, labels))
    return rows


def packed(rows: Sequence[tuple[Tensor, Tensor]]) -> Inputs:
    """Rows end to end in one row whose positions restart."""
    labels = [row_labels.clone() for _, row_labels in rows]
    for row_labels in labels:
        row_labels[0] = IGNORED
    return Inputs(
        torch.cat([tokens for tokens, _ in rows])[None],
        torch.cat(labels)[None],
        position_ids=torch.cat([torch.arange(len(tokens)) for tokens, _ in rows])[None],
    )


def padded(rows: Sequence[tuple[Tensor, Tensor]], *, side: str = "right") -> Inputs:
    """Rows filled up to the longest."""
    width = max(len(tokens) for tokens, _ in rows)
    shape = (len(rows), width)
    inputs = Inputs(
        torch.zeros(shape, dtype=torch.long),
        torch.full(shape, IGNORED),
        torch.zeros(shape, dtype=torch.long),
    )
    assert inputs.attention_mask is not None
    for number, (tokens, labels) in enumerate(rows):
        place = slice(0, len(tokens)) if side == "right" else slice(width - len(tokens), width)
        inputs.input_ids[number, place] = tokens
        inputs.labels[number, place] = labels
        inputs.attention_mask[number, place] = 1
        inputs.labels[number, place.start] = IGNORED
    return inputs


def gradients(model: Any) -> Gradients:
    """Return the gradient of every parameter that trains."""
    return {
        name: None if p.grad is None else p.grad.detach().float().clone()
        for name, p in model.named_parameters()
        if p.requires_grad
    }


def run(model: Any, inputs: Inputs, *, seed: int | None = None, **changes: Any) -> tuple[float, Gradients]:
    """Return the loss and all gradients of one training step through the model's own forward."""
    model.zero_grad(set_to_none=True)
    if seed is not None:
        torch.manual_seed(seed)
    loss = model(**inputs.given(), use_cache=False, **changes).loss
    loss.backward()
    found = gradients(model)
    model.zero_grad(set_to_none=True)
    return float(loss.detach()), found


def distance(got: Gradients, truth: Gradients) -> float:
    """Return the norm of all differences together over the norm of ``truth``."""
    wrong = sum(
        float((got[name] - value).square().sum()) for name, value in truth.items() if value is not None
    )
    whole = sum(float(value.square().sum()) for value in truth.values() if value is not None)
    return (wrong / whole) ** 0.5


def worst_difference(got: Gradients, expected: Gradients) -> tuple[float, str]:
    """Return the largest relative difference (norm of the difference over norm) over all gradients, and its name."""
    assert got.keys() == expected.keys()
    worst = (0.0, "")
    scale = max(float(value.norm()) for value in expected.values() if value is not None)
    for name, value in expected.items():
        other = got[name]
        if value is None:
            assert other is None or float(other.abs().max()) == 0, f"{name} got a gradient"
            continue
        assert other is not None, f"{name} got no gradient"
        assert other.shape == value.shape
        # A gradient that is zero but for rounding has no relative error of its own. An encoder's key bias is one:
        # it adds the same to all scores of a query, which the softmax ignores. Its layer's weight gives the scale.
        floor = 1e-4 * scale
        if name.endswith(".key.bias"):
            weight = expected.get(name.removesuffix("bias") + "weight")
            floor = max(floor, float(weight.norm()) if weight is not None else 0.0)
        difference = float((other - value).norm()) / max(float(value.norm()), floor)
        worst = max(worst, (difference, name))
    return worst


def assert_equal_steps(
    make: Callable[[], Any],
    change: Callable[[Any], Any],
    batches: Sequence[Inputs],
    *,
    tolerance: float = 1e-5,
    **run_changes: Any,
) -> Any:
    """Compare loss and gradients of a plain model and its accelerated twin; return what ``change`` returned."""
    plain, fast = make(), make()
    changed = change(fast)
    for inputs in batches:
        expected_loss, expected = run(plain, inputs, **run_changes)
        loss, found = run(fast, inputs, **run_changes)
        assert abs(loss - expected_loss) <= tolerance * abs(expected_loss), (loss, expected_loss)
        difference, name = worst_difference(found, expected)
        assert difference <= tolerance, f"{name}: {difference:.2e}"
    return changed


def filled_up(num_rows: int) -> int:
    """Return how many rows a packed row of so many tokens is computed with."""
    return -(-num_rows // ROW_MULTIPLE) * ROW_MULTIPLE
