"""Tiny random models of four families, with and without a task's head, and a recipe's section for every method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from luthier.methods.build import build_method
from luthier.methods.contract import Method
from luthier.models.heads import HeadTask, TaskHead
from luthier.recipe.method_sections import (
    AdaLoraMethod,
    BottleneckMethod,
    FreezeMethod,
    FullMethod,
    Ia3Method,
    LoraMethod,
    PrefixMethod,
    PromptMethod,
    PTuningMethod,
)

SECTIONS: dict[str, Any] = {
    "full": FullMethod(name="full"),
    "freeze_layers": FreezeMethod(name="freeze", trainable_layers=1),
    "freeze_gradual": FreezeMethod(name="freeze", unfreeze_every=1, unfreeze_unit="steps"),
    "lora": LoraMethod(),
    "rslora": LoraMethod(use_rslora=True, r=4),
    "dora": LoraMethod(use_dora=True, r=4),
    "pissa": LoraMethod(init_lora_weights="pissa", r=4),
    "adalora": AdaLoraMethod(name="adalora", target_r=2, init_r=4),
    "ia3": Ia3Method(name="ia3"),
    "bottleneck_pfeiffer": BottleneckMethod(name="bottleneck"),
    "bottleneck_houlsby": BottleneckMethod(
        name="bottleneck", placement="houlsby", bottleneck_size=3, non_linearity="tanh"
    ),
    "bottleneck_shared": BottleneckMethod(name="bottleneck", share_across_layers=True, non_linearity="gelu"),
    "prefix": PrefixMethod(name="prefix", num_virtual_tokens=5),
    "prefix_projection": PrefixMethod(name="prefix", num_virtual_tokens=5, prefix_projection=True),
    "prompt": PromptMethod(name="prompt", num_virtual_tokens=5),
    "p_tuning": PTuningMethod(name="p_tuning", num_virtual_tokens=5),
    "p_tuning_lstm": PTuningMethod(
        name="p_tuning", num_virtual_tokens=5, encoder_reparameterization_type="LSTM"
    ),
}
"""At least one of every method, in the words of a recipe."""

SOFT = ("prefix", "prompt", "p_tuning")

_COMMON: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
}
_DECODERS: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "qwen2": {"num_key_value_heads": 2, "tie_word_embeddings": False},
    "gemma": {"num_key_value_heads": 1, "head_dim": 16},
}
FAMILIES = (*_DECODERS, "bert")

HEADS: dict[HeadTask, TaskHead] = {
    "SEQ_CLS": TaskHead("SEQ_CLS", ("a", "b", "c"), "single_label_classification"),
    "TOKEN_CLS": TaskHead("TOKEN_CLS", ("O", "B-X", "I-X")),
    "QUESTION_ANS": TaskHead("QUESTION_ANS"),
}


def config_of(family: str) -> Any:
    """Return the configuration of a tiny model."""
    from transformers import AutoConfig

    return AutoConfig.for_model(family, **{**_COMMON, **_DECODERS.get(family, {})})


def save_base(family: str, folder: Path) -> Path:
    """Save a seeded random base, a decoder with its language-model head, an encoder without any."""
    from transformers import AutoModel, AutoModelForCausalLM

    torch.manual_seed(1)
    kind = AutoModel if family == "bert" else AutoModelForCausalLM
    kind.from_config(config_of(family)).save_pretrained(folder)
    return folder


def method_of(name: str) -> Method:
    """Return the method, and seed what it begins with."""
    torch.manual_seed(2)
    return build_method(SECTIONS[name], lambda text: [5, 6, 7])


def is_declared(name: str) -> Callable[[str], bool]:
    """Return whether the recipe's words name a parameter; written apart from the code under test."""
    section = SECTIONS[name]
    if section.name == "full" or name == "freeze_gradual":
        return lambda parameter: True
    if section.name == "freeze":
        return lambda parameter: ".layers.1." in parameter or ".layer.1." in parameter
    if section.name in SOFT:
        return lambda parameter: parameter.startswith("prompt_encoder.")
    parts = {"ia3": ("ia3_l.",), "bottleneck": ("bottleneck_adapters.",)}.get(
        section.name, ("lora_A.", "lora_B.", "lora_E.", "lora_magnitude_vector.")
    )
    return lambda parameter: any(f".{part}" in parameter for part in parts)
