"""The loop's loss equals the cross-entropy of all logits, for plain and accelerated models, packed and padded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from luthier.data.collate import Batch, collate_packed, collate_padded
from luthier.data.example import Example
from luthier.kernels.accelerate import accelerate
from luthier.kernels.causal_loss import (
    IGNORED,
    CausalLM,
    causal_lm_log_probabilities,
    causal_lm_loss,
    labelled_positions,
    split_obstacle,
)
from tests.kernels.families import FAMILIES, gradients, rows_of, tiny_model, with_lora, worst_difference

LENGTHS = (9, 1, 33, 60, 14)


def _examples() -> list[Example]:
    rows = rows_of(LENGTHS, unlabelled=(4,))
    return [
        Example(tokens.numpy().astype("int32"), labels.numpy(), "made.jsonl", number)
        for number, (tokens, labels) in enumerate(rows)
    ]


def _batches() -> list[Batch]:
    return [collate_packed(_examples()), collate_padded(_examples(), 0)]


def _row_by_row(model: Any) -> Tensor:
    """Each row by itself through the model's own logits: what no packing can disturb."""
    losses = []
    for example in _examples():
        tokens, labels = (torch.as_tensor(x).long() for x in (example.input_ids, example.labels))
        if len(tokens) > 1:
            logits = model(input_ids=tokens[None], use_cache=False).logits[0, :-1].float()
            losses.append(
                torch.nn.functional.cross_entropy(logits, labels[1:], reduction="none", ignore_index=IGNORED)[
                    labels[1:] != IGNORED
                ]
            )
    return torch.cat(losses)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("is_fast", [False, True])
@pytest.mark.parametrize("is_training", [False, True])
def test_equals_rows_by_themselves(family: str, is_fast: bool, is_training: bool) -> None:
    model = with_lora(tiny_model(family)).train(is_training)
    reference = with_lora(tiny_model(family)).train(is_training)
    acceleration = accelerate(model) if is_fast else None
    expected_N = _row_by_row(reference)
    expected_N.sum().backward()
    for batch in _batches():
        model.zero_grad()
        loss, num_items = causal_lm_loss(model, batch)
        assert loss.dtype == torch.float32
        assert num_items == len(expected_N)
        torch.testing.assert_close(loss, expected_N.sum(), rtol=1e-5, atol=0)
        loss.backward()
        assert worst_difference(gradients(model), gradients(reference))[0] < 1e-5
        with torch.no_grad():
            found_N, places_N = causal_lm_log_probabilities(model, batch)
            summed, _ = causal_lm_loss(model, batch)
        torch.testing.assert_close(-found_N, expected_N.detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(summed, loss.detach())
        labels = batch.labels.flatten()[places_N]
        assert labels.tolist() == labels[labels != IGNORED].tolist()
        assert len(labels) == len(found_N)
    if acceleration is not None:
        assert not acceleration.plain_calls


@pytest.mark.parametrize("is_fast", [False, True])
@pytest.mark.parametrize("form", ["autocast", "compute_dtype", "bf16 weights"])
def test_bfloat16(is_fast: bool, form: str) -> None:
    if form == "compute_dtype" and not is_fast:
        pytest.skip("a plain model has no compute type of its own")
    expected = float(_row_by_row(with_lora(tiny_model("llama"))).sum())
    model = with_lora(tiny_model("llama"))
    if form == "bf16 weights":
        for name, parameter in model.named_parameters():
            parameter.data = parameter.data if "lora" in name else parameter.data.bfloat16()
    if is_fast:
        accelerate(model, compute_dtype=torch.bfloat16 if form == "compute_dtype" else None)
    for batch in _batches():
        with torch.autocast("cpu", torch.bfloat16, enabled=form == "autocast"):
            loss, _ = causal_lm_loss(model, batch)
        loss.backward()
        assert loss.dtype == torch.float32
        assert float(loss.detach()) == pytest.approx(expected, rel=2e-3)
        assert float(loss.detach()) != expected
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=form == "autocast"):
            assert float(causal_lm_loss(model.eval(), batch)[0]) == pytest.approx(expected, rel=2e-3)
        model.train()


@pytest.mark.parametrize(
    "changes",
    [
        {"modules_to_save": ["lm_head"]},
        {"target_modules": ["q_proj", "lm_head"]},
        {"trainable_token_indices": {"embed_tokens": [5], "lm_head": [5]}},
    ],
    ids=str,
)
@pytest.mark.parametrize("is_fast", [False, True])
def test_trained_heads(changes: dict[str, Any], is_fast: bool) -> None:
    model, reference = (with_lora(tiny_model("qwen2"), **changes) for _ in range(2))
    if is_fast:
        accelerate(model)
    expected = _row_by_row(reference).sum()
    expected.backward()
    for batch in _batches():
        model.zero_grad()
        loss, _ = causal_lm_loss(model, batch)
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
        loss.backward()
        assert worst_difference(gradients(model), gradients(reference))[0] < 1e-5
        torch.testing.assert_close(
            -causal_lm_log_probabilities(model, batch)[0].sum(), expected, rtol=1e-5, atol=0
        )


@pytest.mark.parametrize("is_fast", [False, True])
def test_label_smoothing_equals_torch(is_fast: bool) -> None:
    batch, model = _batches()[0], tiny_model("llama").eval()
    logits = model(batch.input_ids, position_ids=batch.position_ids, use_cache=False).logits[0, :-1]
    expected = torch.nn.functional.cross_entropy(
        logits, batch.labels[0, 1:], label_smoothing=0.2, reduction="sum"
    )
    if is_fast:
        accelerate(model)
    found, _ = causal_lm_loss(model, batch, label_smoothing=0.2)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("is_fast", [False, True])
def test_without_any_label_the_loss_is_zero_and_differentiable(is_fast: bool) -> None:
    model = with_lora(tiny_model("llama"))
    if is_fast:
        accelerate(model)
    rows = [Example(e.input_ids, e.labels * 0 + IGNORED, e.source, e.row) for e in _examples()]
    for batch in (collate_packed(rows), collate_padded(rows, 0)):
        loss, num_items = causal_lm_loss(model, batch)
        assert (float(loss.detach()), num_items) == (0.0, 0)
        loss.backward()
        assert not any(p.grad.any() for p in model.parameters() if p.grad is not None)
        assert causal_lm_log_probabilities(model, batch)[0].shape == (0,)


def test_plain_and_fast_take_no_logits_of_all_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    monkeypatch.setattr(model.lm_head, "forward", lambda *_: pytest.fail("the head ran over all positions"))
    causal_lm_loss(model, _batches()[1])
    accelerate(model)
    causal_lm_loss(model, _batches()[1])


def test_labels_stand_one_to_the_right() -> None:
    labels = torch.tensor([[IGNORED, 5, IGNORED, 7], [8, 9, IGNORED, IGNORED]])
    positions_N, targets_N = labelled_positions(labels)
    assert positions_N.tolist() == [0, 2, 4]
    assert targets_N.tolist() == [5, 7, 9]


_COMMON: dict[str, Any] = {
    "vocab_size": 151, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ("GraniteConfig", {"logits_scaling": 3.0}),
        ("CohereConfig", {"logit_scale": 0.3}),
        ("Olmo2Config", {}),
    ],
)
def test_families_that_scale_their_logits(config: str, settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    kind = config.replace("Config", "ForCausalLM")
    model: Any = getattr(transformers, kind)(getattr(transformers, config)(**_COMMON, **settings)).train()
    assert split_obstacle(model) is None
    assert model.training, "trying the model must not change its mode"
    expected = _row_by_row(model).sum()
    for batch in _batches():
        torch.testing.assert_close(causal_lm_loss(model, batch)[0], expected, rtol=1e-5, atol=0)


def test_a_model_whose_logits_are_not_its_heads_runs_through_its_own_forward() -> None:
    class Doubled(transformers.Olmo2ForCausalLM):  # type: ignore[misc]
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            out = super().forward(*args, **kwargs)
            out.logits = out.logits * 2
            return out

    torch.manual_seed(0)
    model = Doubled(transformers.Olmo2Config(**_COMMON)).train()
    assert "not its head's" in str(split_obstacle(model))
    assert "not its head's" in str(accelerate(model))
    expected_N = _row_by_row(model)
    for batch in _batches():
        loss, num_items = causal_lm_loss(model, batch)
        assert num_items == len(expected_N)
        torch.testing.assert_close(loss, expected_N.sum(), rtol=1e-5, atol=0)
        loss.backward()
        torch.testing.assert_close(-causal_lm_log_probabilities(model, batch)[0], expected_N)


def test_soft_prompts_run_through_the_models_own_forward() -> None:
    from peft import PromptTuningConfig, get_peft_model

    torch.manual_seed(0)
    model: Any = get_peft_model(
        tiny_model("llama"), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    ).eval()
    batch = _batches()[1]
    expected = model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels, use_cache=False
    ).loss
    loss, num_items = causal_lm_loss(model, batch)
    torch.testing.assert_close(loss / num_items, expected)


def test_a_model_without_a_head_says_so() -> None:
    trunk = tiny_model("llama").model
    assert "has no language-model head" in str(split_obstacle(trunk))


def test_parts_of_a_wrapped_model() -> None:
    model = with_lora(tiny_model("gemma2"))
    parts = CausalLM.of(model)
    assert parts.base is model.get_base_model()
    assert parts.softcap == 30.0
    assert parts.plain_head is parts.base.lm_head
