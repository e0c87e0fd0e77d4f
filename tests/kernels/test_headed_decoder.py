"""A decoder under a task's head without padding equals the plain one: logits, loss and every gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from luthier.kernels.accelerate import accelerate
from luthier.kernels.causal_loss import COMPARED_FAMILIES
from luthier.kernels.headed_decoder import HeadedDecoder
from tests.kernels.families import VOCABULARY, filled_up, gradients, tiny_model, with_lora, worst_difference

HEADS = ("SequenceClassification", "TokenClassification")
LENGTHS = (17, 3, 30, 9)


def _model(family: str, head: str, **changes: Any) -> Any:
    """A headed model with the layers of the family's language model."""
    language_model = tiny_model(family)
    name = type(language_model).__name__.replace("CausalLM", head)
    if not hasattr(transformers, name):
        pytest.skip(f"transformers has no {name}")
    config = language_model.config
    config.num_labels, config.use_cache = 5, False
    config.classifier_dropout = 0.0
    for key, value in changes.items():
        setattr(config, key, value)
    torch.manual_seed(0)
    model = getattr(transformers, name)(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.train()


def _batch(head: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    width = max(LENGTHS) + 2
    mask = torch.tensor([[1] * length + [0] * (width - length) for length in LENGTHS])
    tokens = torch.randint(3, VOCABULARY, mask.shape, generator=generator) * mask
    if head == "TokenClassification":
        labels = torch.randint(0, 5, mask.shape, generator=generator).masked_fill(mask == 0, -100)
    else:
        labels = torch.randint(0, 5, (len(LENGTHS),), generator=generator)
    return {"input_ids": tokens, "attention_mask": mask, "labels": labels}


def _step(model: Any, batch: dict[str, Tensor]) -> tuple[float, dict[str, Tensor | None]]:
    loss = model(**batch).loss
    loss.backward()
    return float(loss.detach()), gradients(model)


@pytest.mark.parametrize("family", sorted(COMPARED_FAMILIES))
@pytest.mark.parametrize("head", HEADS)
def test_loss_and_gradients_equal_plain(family: str, head: str) -> None:
    plain, fast = _model(family, head), _model(family, head)
    acceleration = accelerate(fast, fused_loss=False)
    assert next(part for part in acceleration.report if part.name == "attention").num_plain == 0
    batch = _batch(head)
    (expected, wanted), (found, got) = _step(plain, batch), _step(fast, batch)
    assert acceleration.plain_calls == {}
    assert found == pytest.approx(expected, rel=1e-5)
    assert worst_difference(got, wanted)[0] < 2e-5


def test_layers_see_no_padding() -> None:
    fast = _model("llama", "SequenceClassification")
    accelerate(fast, fused_loss=False)
    seen = []
    fast.model.layers[0].register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[:2]))
    fast(**_batch("SequenceClassification"))
    assert seen == [(1, filled_up(sum(LENGTHS)))]


def test_lora_with_a_trained_head_equals_plain() -> None:
    options = {"task_type": "SEQ_CLS", "modules_to_save": ["score"]}
    plain, fast = (with_lora(_model("llama", HEADS[0]), **options) for _ in range(2))
    accelerate(fast, fused_loss=False)
    batch = _batch(HEADS[0])
    (expected, wanted), (found, got) = _step(plain, batch), _step(fast, batch)
    assert any("score" in name for name in wanted)
    assert found == pytest.approx(expected, rel=1e-5)
    assert worst_difference(got, wanted)[0] < 2e-5


def test_language_models_and_bare_trunks_are_none() -> None:
    language_model = tiny_model("llama")
    assert HeadedDecoder.of(language_model) is None
    assert HeadedDecoder.of(language_model.model) is None


def test_undo_restores_the_plain_forward() -> None:
    model, batch = _model("llama", HEADS[0]), _batch(HEADS[0])
    expected = model(**batch).logits
    accelerate(model, fused_loss=False).undo()
    assert torch.equal(model(**batch).logits, expected)
