"""A BERT-like encoder without padding equals the plain one: hidden states, loss and every gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import Tensor

from luthier.kernels.accelerate import accelerate
from luthier.kernels.packed_encoder import COMPARED_ENCODERS
from tests.kernels.families import distance, gradients, worst_difference

_CLASSES = {"bert": "Bert", "electra": "Electra", "roberta": "Roberta", "xlm-roberta": "XLMRoberta"}
_HEADS = ("SequenceClassification", "TokenClassification", "QuestionAnswering")


def _model(family: str, head: str = "SequenceClassification", *, dropout: float = 0.0, **changes: Any) -> Any:
    config = getattr(transformers, f"{_CLASSES[family]}Config")(
        vocab_size=90,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=80,
        max_position_embeddings=600,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=dropout,
        classifier_dropout=0.0,
        pad_token_id=0,
        num_labels=2 if head == "QuestionAnswering" else 5,
        **({"embedding_size": 32} if family == "electra" else {}),
        **changes,
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{_CLASSES[family]}For{head}")(config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.train()


def _batch(head: str, lengths: tuple[int, ...] = (17, 3, 40, 9)) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    width = max(lengths) + 2
    mask = torch.tensor([[1] * length + [0] * (width - length) for length in lengths])
    tokens = torch.randint(3, 90, mask.shape, generator=generator) * mask
    batch = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": torch.zeros_like(tokens)}
    if head == "TokenClassification":
        return {
            **batch,
            "labels": torch.randint(0, 5, mask.shape, generator=generator).masked_fill(mask == 0, -100),
        }
    if head == "QuestionAnswering":
        places = torch.tensor([length - 1 for length in lengths])
        return {**batch, "start_positions": places // 2, "end_positions": places}
    return {**batch, "labels": torch.randint(0, 5, (len(lengths),), generator=generator)}


def _step(model: Any, batch: dict[str, Tensor]) -> tuple[float, dict[str, Tensor | None]]:
    model.zero_grad(set_to_none=True)
    loss = model(**batch).loss
    loss.backward()
    return float(loss.detach()), gradients(model)


def test_every_compared_family_is_compared() -> None:
    assert set(_CLASSES) == COMPARED_ENCODERS


@pytest.mark.parametrize("family", sorted(COMPARED_ENCODERS))
@pytest.mark.parametrize("head", _HEADS)
def test_loss_and_gradients_equal_plain(family: str, head: str) -> None:
    if head == "QuestionAnswering":
        pytest.skip("logits of padding take part in its softmax: see the next test")
    plain, fast = _model(family, head), _model(family, head)
    acceleration = accelerate(fast)
    batch = _batch(head)
    (expected, expected_gradients), (found, found_gradients) = _step(plain, batch), _step(fast, batch)
    assert found == pytest.approx(expected, rel=1e-5)
    difference, name = worst_difference(found_gradients, expected_gradients)
    assert difference < 1e-5, name
    assert not acceleration.plain_calls


@pytest.mark.parametrize("family", sorted(COMPARED_ENCODERS))
def test_hidden_states_equal_plain_at_every_token(family: str) -> None:
    plain, fast = _model(family).eval(), _model(family).eval()
    accelerate(fast)
    batch = _batch("SequenceClassification")
    del batch["labels"]
    with torch.no_grad():
        expected, found = (model.base_model(**batch).last_hidden_state for model in (plain, fast))
    real = batch["attention_mask"].bool()
    torch.testing.assert_close(found[real], expected[real], rtol=1e-4, atol=1e-5)


def test_no_padding_goes_through_the_layers() -> None:
    model, seen = _model("bert"), []
    accelerate(model)
    model.bert.encoder.layer[0].register_forward_pre_hook(lambda module, args: seen.append(args[0].shape))
    model(**_batch("SequenceClassification"))
    assert seen == [(1, 17 + 3 + 40 + 9, 48)]


def test_rows_longer_than_a_block_of_queries_equal_plain() -> None:
    plain, fast = _model("bert"), _model("bert")
    accelerate(fast)
    batch = _batch("SequenceClassification", (590, 257, 31))
    (expected, expected_gradients), (found, found_gradients) = _step(plain, batch), _step(fast, batch)
    assert found == pytest.approx(expected, rel=1e-5)
    assert worst_difference(found_gradients, expected_gradients)[0] < 1e-5


def test_lora_equals_plain() -> None:
    def make() -> Any:
        torch.manual_seed(3)
        config = LoraConfig(r=4, target_modules=["query", "value", "dense"], init_lora_weights=False)
        return get_peft_model(_model("bert"), config).train()

    plain, fast = make(), make()
    report = accelerate(fast).report
    batch = _batch("SequenceClassification")
    (expected, expected_gradients), (found, found_gradients) = _step(plain, batch), _step(fast, batch)
    assert found == pytest.approx(expected, rel=1e-5)
    assert worst_difference(found_gradients, expected_gradients)[0] < 1e-5
    assert {part.name for part in report if not part.num_plain} >= {"attention", "LoRA layers"}


def test_float32_masters_compute_in_bfloat16_about_as_well_as_autocast() -> None:
    batch = _batch("SequenceClassification")
    truth = _step(_model("bert"), batch)[1]
    with torch.autocast("cpu", torch.bfloat16):
        automatic = _step(_model("bert"), batch)[1]
    fast = _model("bert")
    accelerate(fast, compute_dtype=torch.bfloat16)
    found = _step(fast, batch)[1]
    # Autocast keeps residuals and norms in float32, the fast path rounds them: twice its error is allowed.
    assert 0 < distance(found, truth) <= 2 * distance(automatic, truth)
    assert {g.dtype for g in found.values() if g is not None} == {torch.float32}


def test_dropout_of_probabilities_has_the_right_mean_and_gradient() -> None:
    """Averaged over many draws, dropped attention gives what attention without dropout gives to first order."""
    from luthier.kernels.attention import AttentionSettings, packed_attention
    from luthier.kernels.sequence_layout import SequenceLayout

    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(50, 2, 8, generator=generator) for _ in range(3))
    layout = SequenceLayout((0, 20, 50))
    whole = packed_attention(query, key, value, layout, AttentionSettings(0.3, is_causal=False))
    torch.manual_seed(0)
    dropping = AttentionSettings(0.3, is_causal=False, dropout=0.4)
    draws = torch.stack([packed_attention(query, key, value, layout, dropping) for _ in range(2000)])
    spread = draws.std(dim=0) / len(draws) ** 0.5
    assert float(((draws.mean(dim=0) - whole) / spread).abs().max()) < 5
    assert float(draws.std(dim=0).min()) > 0

    # For one draw the function is linear in the values: the gradient must be the matrix that was applied.
    value.requires_grad_()
    torch.manual_seed(7)
    out = packed_attention(query, key, value, layout, dropping)
    (gradient,) = torch.autograd.grad(out[3, 1, 0], value)
    torch.testing.assert_close((gradient * value).sum(), out[3, 1, 0], rtol=1e-4, atol=1e-5)


def test_the_gradient_of_queries_under_dropout_is_that_of_finite_differences() -> None:
    from luthier.kernels.attention import AttentionSettings, packed_attention
    from luthier.kernels.sequence_layout import SequenceLayout

    generator = torch.Generator().manual_seed(2)
    query, key, value = (torch.randn(6, 1, 4, dtype=torch.float64, generator=generator) for _ in range(3))
    layout, dropping = SequenceLayout((0, 6)), AttentionSettings(0.5, is_causal=False, dropout=0.3)

    def drawn(*inputs: Tensor) -> Tensor:
        torch.manual_seed(11)
        return packed_attention(*inputs, layout, dropping)

    # Sums of gradients over blocks are kept in float32, hence the tolerance.
    inputs = tuple(tensor.requires_grad_() for tensor in (query, key, value))
    assert torch.autograd.gradcheck(drawn, inputs, atol=1e-5, rtol=1e-4)


def test_what_runs_plain_is_counted_with_its_reason() -> None:
    plain, fast = _model("bert").eval(), _model("bert").eval()
    acceleration = accelerate(fast)
    batch = _batch("SequenceClassification")
    with torch.no_grad():
        outputs = fast(**batch, output_hidden_states=True)
        expected = plain(**batch)
    torch.testing.assert_close(outputs.logits, expected.logits)
    assert acceleration.plain_calls == {"output_hidden_states is asked for": 1}
    assert len(outputs.hidden_states) == 3
    batch["attention_mask"][0, 2] = 0
    with torch.no_grad():
        torch.testing.assert_close(fast(**batch).logits, plain(**batch).logits)
    assert acceleration.plain_calls["a row's mask has gaps or no token at all"] == 1


def test_undo_restores_the_model() -> None:
    model = _model("bert")
    before = {name: type(module) for name, module in model.named_modules()}
    accelerate(model, compute_dtype=torch.bfloat16).undo()
    assert {name: type(module) for name, module in model.named_modules()} == before
    assert model.config._attn_implementation == "sdpa"
    assert not model.bert._forward_pre_hooks and not model.bert.encoder._forward_hooks
