"""Tiny random models with a task's head, of an encoder and a decoder family, with tokenizers of their kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, BertConfig, LlamaConfig, LlamaForCausalLM

from luthier.models.heads import TaskHead
from tests.data.tagging.tokenizers_of_words import bert, byte_level

FAMILIES = ("bert", "llama")


def make(family: str, head: TaskHead) -> tuple[Any, Any]:
    """Return model and tokenizer, without dropout, so that losses can be compared in training mode."""
    torch.manual_seed(0)
    tokenizer = bert() if family == "bert" else byte_level()
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 256,
        "pad_token_id": tokenizer.pad_token_id,
    }
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config: AutoConfig = (
        BertConfig(**sizes, **off)
        if family == "bert"
        else LlamaConfig(**sizes, num_key_value_heads=2, classifier_dropout=0.0)
    )
    head.configure(config)
    return head.model_class().from_config(config).train(), tokenizer


def save_base(family: str, folder: Path) -> Path:
    """Save a base without any task's head, and its tokenizer, in Hugging Face layout."""
    folder.mkdir(parents=True, exist_ok=True)
    model, tokenizer = make(family, TaskHead("TOKEN_CLS"))
    trunk = model.base_model
    if family == "llama":
        language_model = LlamaForCausalLM(model.config)
        language_model.model.load_state_dict(trunk.state_dict())
        language_model.save_pretrained(folder)
    else:
        trunk.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
