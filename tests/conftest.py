"""Shared pieces: a tiny random Llama, rows for it, and the real data where it lies beside the project."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Threads that spin while they wait bring a shared machine to a standstill; it must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pytest
import torch
from hypothesis import settings

from luthier.data.example import IGNORED, Example

# The first example of a test pays for imports and warm caches: time says nothing here.
settings.register_profile("luthier", deadline=None)
settings.load_profile("luthier")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SHARED_VECTORS = SHARED_DATA.parent / "vectors"


@pytest.fixture
def shared_data() -> Path:
    """The folder of public data sets beside the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"public data sets are not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def make_tiny_llama() -> Callable[..., Any]:
    """Return a function that makes a seeded random Llama of a few thousand weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    def make(seed: int = 0, **changes: Any) -> Any:
        torch.manual_seed(seed)
        settings = {
            "vocab_size": 97,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 256,
            "tie_word_embeddings": True,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
        }
        return LlamaForCausalLM(LlamaConfig(**{**settings, **changes})).eval()

    return make


@pytest.fixture
def make_rows() -> Callable[..., list[Example]]:
    """Return a function that makes seeded rows: a prompt without labels and an answer with them."""

    def make(count: int, seed: int = 0, longest: int = 24) -> list[Example]:
        generator = np.random.default_rng(seed)
        rows = []
        for number in range(count):
            length = int(generator.integers(4, longest + 1))
            tokens = generator.integers(3, 97, size=length).astype(np.int32)
            labels = tokens.copy()
            labels[: int(generator.integers(1, length - 1))] = IGNORED
            rows.append(Example(input_ids=tokens, labels=labels, source="made.jsonl", row=number + 1))
        return rows

    return make
