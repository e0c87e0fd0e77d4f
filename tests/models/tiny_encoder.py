"""A tiny random BERT or RoBERTa with a tokenizer of single characters, saved in Hugging Face layout."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

CHARACTERS = "abcdefghijklmnopqrstuvwxyz?好坏人天气很"


def save_tiny_encoder(folder: Path, *, family: str = "bert", positions: int = 40, seed: int = 0) -> Path:
    """Make the encoder and return its folder."""
    vocabulary = {
        name: number for number, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *CHARACTERS])
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    sizes = {
        "vocab_size": len(vocabulary),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": positions,
        "pad_token_id": 0,
    }
    model = BertModel(BertConfig(**sizes)) if family == "bert" else RobertaModel(RobertaConfig(**sizes))
    model.save_pretrained(folder)
    return folder
