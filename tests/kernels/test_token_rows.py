"""Trained rows of embedding and head equal PEFT's own trainable tokens in loss and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from luthier.kernels.accelerate import accelerate
from luthier.kernels.causal_loss import CausalLM, causal_lm_log_probabilities
from luthier.kernels.token_rows import trained_rows
from tests.kernels.families import (
    FAMILIES,
    Inputs,
    assert_equal_steps,
    packed,
    padded,
    rows_of,
    tiny_model,
    with_lora,
)

RUN = list(range(5, 40))
SCATTERED = [3, 17, 40, 8]


def _batches() -> list[Inputs]:
    rows = rows_of((37, 1, 5, 61), unlabelled=(2,))
    return [packed(rows), padded(rows)]


def _with_rows(family: str, ids: list[int], *, is_tied: bool, head_trains: bool = True) -> Any:
    layers = ["embed_tokens"] if is_tied or not head_trains else ["embed_tokens", "lm_head"]
    model = tiny_model(family, tie_word_embeddings=is_tied)
    wrapped = with_lora(model, trainable_token_indices={layer: ids for layer in layers})
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "trainable_tokens_delta" in name:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return wrapped


WITHOUT_BIAS = [family for family in FAMILIES if family != "phi"]
"""PEFT's trainable tokens drop the bias of a head; the plan refuses such a base."""


@pytest.mark.parametrize(
    ("family", "is_tied", "ids"),
    [
        *((family, True, RUN) for family in WITHOUT_BIAS),
        ("llama", False, RUN),
        ("llama", True, SCATTERED),
        ("qwen2", False, SCATTERED),
    ],
)
def test_a_training_step_equals_peft(family: str, is_tied: bool, ids: list[int]) -> None:
    acceleration = assert_equal_steps(
        lambda: _with_rows(family, ids, is_tied=is_tied), accelerate, _batches()
    )
    parts = {part.name: part for part in acceleration.report}
    assert parts["loss in forward"].num_fast == 1
    assert parts["trained token rows"].num_fast == (0 if family.startswith("gemma") else 1)


def test_rows_of_the_embedding_alone_leave_the_head_frozen() -> None:
    assert_equal_steps(
        lambda: _with_rows("llama", RUN, is_tied=False, head_trains=False), accelerate, _batches()
    )


def test_weights_known_only_later_reach_the_rows() -> None:
    """Log-probabilities by position, as preference objectives take them, give the same gradient as the sum."""
    from luthier.data.collate import collate_packed
    from luthier.data.example import Example

    ids = torch.arange(3, 43).numpy().astype("int32")
    batch = collate_packed([Example(ids, ids.copy(), "made.jsonl", 1)])
    found = []
    for fast in (False, True):
        model = _with_rows("llama", RUN, is_tied=True).float()
        if fast:
            accelerate(model)
        log_probabilities, _ = causal_lm_log_probabilities(model, batch)
        weights = torch.linspace(0.1, 2.0, len(log_probabilities))
        (log_probabilities * weights).sum().backward()
        found.append([p.grad for n, p in model.named_parameters() if "trainable_tokens" in n][0])
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-4)


def test_no_gradient_of_the_whole_matrix_is_made() -> None:
    model = _with_rows("llama", RUN, is_tied=True)
    accelerate(model)
    vocabulary = model.config.vocab_size
    shapes = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        inputs = _batches()[0]
        model(**inputs.given()).loss.backward()
    assert shapes
    assert not [shape for shape in shapes if len(shape) == 2 and shape[0] == vocabulary]


def test_disabled_adapters_train_no_rows() -> None:
    model = _with_rows("llama", RUN, is_tied=True)
    assert trained_rows(CausalLM.of(model).head) is not None
    with model.disable_adapter():
        assert trained_rows(CausalLM.of(model).head) is None
