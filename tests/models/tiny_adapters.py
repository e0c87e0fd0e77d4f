"""Saved adapters over the tiny chat model, each with weights of its own that change its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from luthier.methods.build import build_method
from luthier.models.load import ResultRecord, load_model, weights_hash
from luthier.recipe.method_sections import LoraMethod
from tests.models.tiny_chat import make_chat_tokenizer


def save_adapter(base: Path, folder: Path, seed: int, *, section: Any = None, **record: Any) -> Path:
    """Save an adapter over ``base`` as the train stage does, and return its folder."""
    section = section or LoraMethod(r=4, lora_alpha=8)
    method = build_method(section)
    torch.manual_seed(seed)
    model = method.apply(load_model(base, dtype=torch.float32))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    folder.mkdir(parents=True)
    method.save(model, folder, torch.float32)
    make_chat_tokenizer().save_pretrained(folder)
    facts = {"method": section.name, "dtype": "float32", "template_hash": "t", "tokenizer_hash": "k"}
    ResultRecord(**{"base": str(base), "base_hash": weights_hash(base), **facts, **record}).save(folder)
    return folder
