"""Batches of prompts: the same log-likelihoods as one continuation at a time, whatever stands beside them."""

from __future__ import annotations

import pytest
import torch

from luthier.models.batched_likelihood import Choices, batched_log_likelihoods
from luthier.models.log_likelihood import log_likelihoods
from tests.models.tiny_chat import make_chat_llama

MODEL = make_chat_llama(initializer_range=0.2).eval()
GROUPS = [
    Choices([5, 6, 7, 8], [[9], [9, 10, 11], [9, 10, 12], [13, 14]]),
    Choices([5], [[6, 7], [6]]),
    Choices(list(range(20, 60)), [[4, 5, 6, 7, 8, 9, 10]]),
    Choices([8, 7], [[3], [4], [5]]),
]


@torch.no_grad()
def plain(prompt: list[int], continuation: list[int]) -> tuple[float, bool]:
    """One continuation, without tree, batch, mask or cache."""
    logits = MODEL(input_ids=torch.tensor([[*prompt, *continuation]])).logits[0].float().log_softmax(-1)
    steps = logits[len(prompt) - 1 : -1]
    chosen = torch.tensor(continuation)
    return float(steps.gather(1, chosen[:, None]).sum()), bool((steps.argmax(-1) == chosen).all())


@pytest.mark.parametrize("batch_size", [1, 2, 4, 16, None])
def test_every_batch_size_gives_what_a_continuation_by_itself_gets(batch_size: int | None) -> None:
    seen: list[int] = []
    found = batched_log_likelihoods(MODEL, GROUPS, batch_size=batch_size, on_progress=seen.append)
    assert seen[-1] == sum(len(group.continuations) for group in GROUPS) and seen == sorted(seen)
    for group, likelihoods in zip(GROUPS, found, strict=True):
        for continuation, likelihood in zip(group.continuations, likelihoods, strict=True):
            total, is_greedy = plain(list(group.prompt), list(continuation))
            assert likelihood.log_likelihood == pytest.approx(total, abs=2e-5)
            assert likelihood.is_greedy is is_greedy
            assert likelihood.num_tokens == len(continuation)


def test_a_type_of_computation_is_that_of_a_plain_forward_pass_under_autocast() -> None:
    """Weights in float32, computed in bfloat16: what training and evaluation do on processors that multiply it."""
    found = batched_log_likelihoods(MODEL, GROUPS, dtype=torch.bfloat16)
    exact = batched_log_likelihoods(MODEL, GROUPS, dtype=torch.float32)
    errors, moved = [], []
    for group, ours, precise in zip(GROUPS, found, exact, strict=True):
        for continuation, one, other in zip(group.continuations, ours, precise, strict=True):
            with torch.autocast("cpu", torch.bfloat16):
                total, _ = plain(list(group.prompt), list(continuation))
            errors.append(abs(one.log_likelihood - total))
            moved.append(abs(one.log_likelihood - other.log_likelihood))
    assert max(errors) < 0.05 and max(moved) > 1e-4


def test_greedy_continuations_are_known() -> None:
    prompt, written = [5, 6, 7], []
    with torch.no_grad():
        for _ in range(3):
            written.append(int(MODEL(input_ids=torch.tensor([[*prompt, *written]])).logits[0, -1].argmax()))
    other = [*written[:2], (written[2] + 1) % 50]
    ((greedy, not_greedy),) = batched_log_likelihoods(MODEL, [Choices(prompt, [written, other])])
    assert greedy.is_greedy and not not_greedy.is_greedy


def test_many_continuations_of_one_prompt_are_divided_and_put_together_again() -> None:
    many = Choices([5, 6], [[n % 90 + 3, *range(10, 60)] for n in range(60)])
    (found,) = batched_log_likelihoods(MODEL, [many])
    expected = log_likelihoods(MODEL, many.prompt, many.continuations)
    assert [f.log_likelihood for f in found] == pytest.approx([e.log_likelihood for e in expected], abs=1e-4)


@pytest.mark.parametrize("broken", [Choices([], [[1]]), Choices([1], [[2], []])])
def test_what_has_no_token_is_refused(broken: Choices) -> None:
    with pytest.raises(ValueError, match="need a token"):
        batched_log_likelihoods(MODEL, [broken])
