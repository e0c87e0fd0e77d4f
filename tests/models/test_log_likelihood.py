"""Log-likelihoods equal one plain forward pass per continuation, whatever they have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from luthier.models import log_likelihood
from luthier.models.log_likelihood import log_likelihoods
from tests.models.tiny_chat import make_chat_llama

PROMPT = [5, 9, 17, 3, 88]
CONTINUATIONS = [[4], [4, 7, 9], [4, 7, 10, 11], [30], [30, 2], [4, 7, 9]]


def _plain(model: Any, prompt: list[int], continuation: list[int]) -> tuple[float, bool]:
    """One forward pass over prompt and continuation, as lm-evaluation-harness scores a request."""
    with torch.no_grad():
        logits = model(torch.tensor([prompt + continuation[:-1]])).logits[0].float().log_softmax(-1)
    steps = logits[len(prompt) - 1 :]
    chosen = torch.tensor(continuation)
    return float(steps.gather(1, chosen[:, None]).sum()), bool((steps.argmax(-1) == chosen).all())


def _other_families() -> list[Any]:
    from transformers import AutoModelForCausalLM, GPT2Config, Qwen2Config

    torch.manual_seed(3)
    sizes = {"vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    qwen = Qwen2Config(**sizes, intermediate_size=48, num_key_value_heads=2, max_position_embeddings=128)
    gpt = GPT2Config(vocab_size=400, n_embd=32, n_layer=2, n_head=4, n_positions=128)
    return [AutoModelForCausalLM.from_config(config).eval() for config in (qwen, gpt)]


@pytest.mark.parametrize(
    "make", [lambda: make_chat_llama(3), *(lambda n=n: _other_families()[n] for n in (0, 1))]
)
def test_equals_a_forward_pass_for_each(make: Callable[[], Any]) -> None:
    model = make()
    found = log_likelihoods(model, PROMPT, CONTINUATIONS)
    for got, continuation in zip(found, CONTINUATIONS, strict=True):
        total, is_greedy = _plain(model, PROMPT, continuation)
        assert got.log_likelihood == pytest.approx(total, abs=1e-4)
        assert got.num_tokens == len(continuation)
        assert got.is_greedy == is_greedy


def test_greedy_answer_is_told() -> None:
    model = make_chat_llama(3)
    greedy: list[int] = []
    for _ in range(3):
        with torch.no_grad():
            greedy.append(int(model(torch.tensor([PROMPT + greedy])).logits[0, -1].argmax()))
    assert log_likelihoods(model, PROMPT, [greedy])[0].is_greedy


def test_parts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_chat_llama(3)
    whole = log_likelihoods(model, PROMPT, CONTINUATIONS)
    monkeypatch.setattr(log_likelihood, "_NODES_AT_ONCE", 4)
    parts = log_likelihoods(model, PROMPT, CONTINUATIONS)
    assert [p.log_likelihood for p in parts] == pytest.approx([w.log_likelihood for w in whole], abs=1e-5)


@pytest.mark.parametrize(("prompt", "continuations"), [([], [[1]]), ([1], [[2], []])])
def test_nothing_to_measure_is_refused(prompt: list[int], continuations: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="need a token"):
        log_likelihoods(make_chat_llama(3), prompt, continuations)
