"""A tiny random chat model in a folder, saved as a full fine-tuning saves it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch

from luthier.methods.build import build_method
from luthier.models.load import ResultRecord
from luthier.recipe.method_sections import FullMethod

# Hermes-style ChatML with tools, in the shape of the Qwen 2.5 template.
TEMPLATE = """{%- if tools %}{{ '<|im_start|>system\n' }}{% if messages[0].role == 'system' %}
{{- messages[0].content + '\n' }}{% endif %}{{ '# Tools\n' }}{% for tool in tools %}{{ tool | tojson + '\n' }}
{%- endfor %}{{ '<|im_end|>\n' }}{% endif %}
{%- for m in messages %}{% if not (loop.first and tools and m.role == 'system') %}
{{- '<|im_start|>' + m.role + '\n' + m.content }}{% for call in m.tool_calls or [] %}
{{- '\n<tool_call>\n' + (call.function | default(call)) | tojson + '\n</tool_call>' }}{% endfor %}
{{- '<|im_end|>\n' }}{% endif %}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

CORPUS = [
    "The quick brown fox jumps over the lazy dog. What is the time? It is noon.",
    "你好，世界。今天天气很好。模型会回答问题。",
    "👍 😀 👩‍🚀 naïve café",
]


@cache
def _tokenizer_json() -> str:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<pad>", "<|im_start|>", "<|im_end|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return str(tokenizer.to_str())


def make_chat_tokenizer() -> Any:
    """Return a byte-level tokenizer: a Chinese character or an emoji is several tokens."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_tokenizer_json()),
        pad_token="<pad>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=TEMPLATE,
    )


def make_chat_llama(seed: int = 0, **changes: Any) -> Any:
    """Return a random Llama for that tokenizer.

    Its weights are larger than usual, so that its answers vary and few ties or near-ties decide them.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    settings = {
        "vocab_size": len(make_chat_tokenizer()),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.3,
        "tie_word_embeddings": False,
        "pad_token_id": 0,
        "eos_token_id": 2,
        "bos_token_id": None,
    }
    return LlamaForCausalLM(LlamaConfig(**{**settings, **changes})).eval()


def save_chat_folder(folder: Path, model: Any = None) -> Path:
    """Save a model and its tokenizer as the train stage does, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model = model or make_chat_llama()
    build_method(FullMethod(name="full")).save(model, folder, torch.float32)
    make_chat_tokenizer().save_pretrained(folder)
    ResultRecord(
        base="tiny",
        base_hash="",
        method="full",
        dtype="float32",
        template_hash="",
        tokenizer_hash="",
    ).save(folder)
    return folder
