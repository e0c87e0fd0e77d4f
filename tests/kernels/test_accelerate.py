"""The accelerated model equals plain transformers and PEFT in loss, gradients, logits and generated tokens."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.kernels.accelerate import accelerate
from tests.kernels.families import (
    FAMILIES,
    Inputs,
    assert_equal_steps,
    distance,
    packed,
    padded,
    rows_of,
    run,
    tiny_model,
    with_lora,
    worst_difference,
)

LENGTHS = (37, 1, 5, 61, 2, 24, 70)


def _batches() -> list[Inputs]:
    rows = rows_of(LENGTHS, unlabelled=(2,))
    return [packed(rows), padded(rows), padded(rows, side="left"), padded(rows[:1])]


@pytest.mark.parametrize(
    ("family", "attention"),
    [*((family, None) for family in FAMILIES), ("llama", "eager"), ("qwen2", "eager")],
)
def test_lora_training_step_equals_plain(family: str, attention: str | None) -> None:
    acceleration = assert_equal_steps(
        lambda: with_lora(tiny_model(family, attention=attention)), accelerate, _batches()
    )
    assert "attention: fast (2)" in str(acceleration)
    assert not acceleration.plain_calls
    assert not [part for part in acceleration.report if part.num_plain]


@pytest.mark.parametrize("family", FAMILIES)
def test_full_training_step_equals_plain(family: str) -> None:
    acceleration = assert_equal_steps(lambda: tiny_model(family), accelerate, _batches())
    assert not acceleration.plain_calls
    assert not [part for part in acceleration.report if part.num_plain]


@pytest.mark.parametrize(
    "changes",
    [
        {"use_rslora": True},
        {"adapters": 2},
        {"adapters": 2, "use_rslora": True},
        {"target_modules": ["q_proj", "down_proj"]},
        {"target_modules": ["up_proj"], "layers_to_transform": [1]},
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens", "lm_head"]},
        {"target_modules": ["q_proj", "lm_head", "embed_tokens"]},
        {"trainable_token_indices": [5, 6]},
        {"bias": "all"},
        {"bias": "all", "lora_bias": True},
        {"use_dora": True},
    ],
    ids=str,
)
def test_lora_variants_equal_plain(changes: dict[str, Any]) -> None:
    assert_equal_steps(lambda: with_lora(tiny_model("qwen2"), **changes), accelerate, _batches())


def test_dropout_equals_plain_under_the_same_seed() -> None:
    """Packed rows have the same shape on both sides, so the same seed drops the same inputs."""
    assert_equal_steps(
        lambda: with_lora(tiny_model("llama"), lora_dropout=0.3), accelerate, _batches()[:1], seed=11
    )
    model = with_lora(tiny_model("llama"), lora_dropout=0.3)
    accelerate(model)
    losses = {run(model, _batches()[0], seed=seed)[0] for seed in (1, 2)}
    assert len(losses) == 2, "dropout dropped nothing"


def test_dropout_equals_plain_with_two_adapters() -> None:
    assert_equal_steps(
        lambda: with_lora(tiny_model("llama"), adapters=2, lora_dropout=0.3),
        accelerate,
        _batches()[:1],
        seed=11,
    )


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=5),
    family=st.sampled_from(FAMILIES),
    is_packed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_row_lengths_equal_plain(lengths: list[int], family: str, is_packed: bool, seed: int) -> None:
    rows = rows_of([*lengths, 7], seed=seed)  # one row more, so that some label stands
    rows[-1][1][:] = rows[-1][0]
    batch = packed(rows) if is_packed else padded(rows)
    assert_equal_steps(lambda: with_lora(tiny_model(family)), accelerate, [batch])


@pytest.mark.parametrize("family", ["llama", "mistral"])
def test_4096_tokens_equal_plain(family: str) -> None:
    """Longer than one block of queries, recomputed probabilities, and a neighbour in the same packed row."""
    assert_equal_steps(
        lambda: with_lora(tiny_model(family, num_hidden_layers=1, sliding_window=700) if family == "mistral"
                          else tiny_model(family, num_hidden_layers=1)),
        accelerate,
        [packed(rows_of((4096, 90)))],
    )  # fmt: skip


def _steps_in(model: Any, batches: list[Inputs], *, autocast: bool = False) -> list[Any]:
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        return [run(model, batch) for batch in batches]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", ["bf16 LoRA", "bf16 weights", "fp32 masters", "autocast", "autocast LoRA"])
def test_bfloat16_is_as_near_to_float32_as_plain_bfloat16(family: str, form: str) -> None:
    """The truth is the plain float32 step: the fast path may err by at most 1.25 times plain bfloat16's error.

    With float32 masters the comparison is autocast, which keeps the residual stream in float32 where the fast path
    has bfloat16; over families, batches and processors that was seen to err up to 1.28 times as much.
    """

    def make() -> Any:
        model = tiny_model(family).to(torch.bfloat16).float()  # weights that both types hold exactly
        return with_lora(model) if "LoRA" in form else model

    batches = _batches()[:2]
    truth = _steps_in(make(), batches)
    plain, fast = make(), make()
    if form.startswith("bf16"):
        for model in (plain, fast):
            for name, parameter in model.named_parameters():
                parameter.data = parameter.data.float() if "lora" in name else parameter.data.bfloat16()
    accelerate(fast, compute_dtype=torch.bfloat16 if form == "fp32 masters" else None)
    plain_steps = _steps_in(plain, batches, autocast="autocast" in form or form == "fp32 masters")
    fast_steps = _steps_in(fast, batches, autocast="autocast" in form)
    allowed = 1.4 if form == "fp32 masters" else 1.25
    for true, slow, quick in zip(truth, plain_steps, fast_steps, strict=True):
        assert 0 < distance(quick[1], true[1]) <= allowed * distance(slow[1], true[1])
        assert quick[0] == pytest.approx(true[0], rel=1e-3)


def test_full_fine_tuning_in_bfloat16_keeps_float32_gradients() -> None:
    model = tiny_model("llama")
    accelerate(model, compute_dtype=torch.bfloat16)
    model(**_batches()[0].given(), use_cache=False).loss.backward()
    assert {p.grad.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("family", FAMILIES)
def test_evaluation_logits_equal_plain(family: str) -> None:
    plain, fast = (with_lora(tiny_model(family)).eval() for _ in range(2))
    accelerate(fast)
    for batch in _batches():
        for use_cache in (False, True) if batch.position_ids is None else (False,):
            with torch.no_grad():
                expected, found = (m(**batch.given(), use_cache=use_cache) for m in (plain, fast))
            real = batch.attention_mask.bool() if batch.attention_mask is not None else ...
            torch.testing.assert_close(found.logits[real], expected.logits[real], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(found.loss, expected.loss)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_generate_with_a_cache_gives_the_same_tokens(family: str, dtype: torch.dtype) -> None:
    plain, fast = (with_lora(tiny_model(family)).eval() for _ in range(2))
    accelerate(fast, compute_dtype=dtype)
    batch = padded(rows_of((21, 9, 30)), side="left")
    asked = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    options = {"do_sample": False, "max_new_tokens": 12, "use_cache": True, "eos_token_id": -1}
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        expected = plain.generate(**asked, **options)
    found = fast.generate(**asked, **options)
    if dtype == torch.float32:
        assert found.tolist() == expected.tolist()
    assert found.shape == expected.shape


def test_adapters_off_and_merged_equal_plain_where_weights_are_stored_in_float32() -> None:
    """The reference pass of preference training runs with adapters off."""
    batch = _batches()[1]
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 3e-2)):
        plain, fast = (with_lora(tiny_model("qwen2")).eval() for _ in range(2))
        accelerate(fast, compute_dtype=dtype)
        with torch.no_grad():
            active = fast(**batch.given(), use_cache=False).loss
            with plain.disable_adapter(), fast.disable_adapter():
                expected, found = (m(**batch.given(), use_cache=False).loss for m in (plain, fast))
            torch.testing.assert_close(found.float(), expected, rtol=tolerance, atol=0)
            for model in (plain, fast):
                model.merge_adapter()
            expected, merged = (m(**batch.given(), use_cache=False).loss for m in (plain, fast))
            torch.testing.assert_close(merged.float(), expected, rtol=tolerance, atol=0)
            torch.testing.assert_close(merged, active, rtol=tolerance, atol=0)
            assert abs(float(found - active)) > 1e-4 * float(active)
            for model in (plain, fast):
                model.unmerge_adapter()
            torch.testing.assert_close(fast(**batch.given(), use_cache=False).loss, active, rtol=1e-4, atol=0)


@pytest.mark.parametrize("use_reentrant", [False, True])
@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_gradient_checkpointing_composes(family: str, use_reentrant: bool) -> None:
    def make() -> Any:
        model = tiny_model(family)
        model.gradient_checkpointing_enable({"use_reentrant": use_reentrant})
        model.enable_input_require_grads()
        return with_lora(model)

    assert_equal_steps(make, accelerate, _batches()[:2])


def test_undo_restores_everything() -> None:
    model = with_lora(tiny_model("llama", attention="sdpa"))
    classes = {name: type(module) for name, module in model.named_modules()}
    attributes = {name: set(vars(module)) for name, module in model.named_modules()}
    before = run(model, _batches()[0])
    acceleration = accelerate(model)
    assert {name: type(module) for name, module in model.named_modules()} != classes
    acceleration.undo()
    assert {name: type(module) for name, module in model.named_modules()} == classes
    assert {name: set(vars(module)) for name, module in model.named_modules()} == attributes
    assert model.config._attn_implementation == "sdpa"
    assert not model.get_base_model().model._forward_pre_hooks
    assert not model.get_base_model().model._forward_hooks
    after = run(model, _batches()[0])
    assert after[0] == before[0]
    assert worst_difference(after[1], before[1])[0] == 0
    assert "attention: fast (2)" in str(accelerate(model)), "after undo it can be accelerated again"


def test_an_accelerated_model_is_not_accelerated_twice() -> None:
    model = with_lora(tiny_model("llama"))
    plain_class = type(model.get_base_model())
    first = accelerate(model)
    classes = {name: type(module) for name, module in model.named_modules()}
    second = accelerate(model)
    assert "accelerated already" in str(second)
    assert {name: type(module) for name, module in model.named_modules()} == classes
    second.undo()
    assert model(**_batches()[0].given()).logits is None, "undoing the second call must not undo the first"
    first.undo()
    assert type(model.get_base_model()) is plain_class


def test_a_deep_copy_stays_fast_and_independent() -> None:
    model = with_lora(tiny_model("llama"))
    acceleration = accelerate(model)
    twin = copy.deepcopy(model)
    expected, found = run(model, _batches()[1]), run(twin, _batches()[1])
    assert found[0] == expected[0]
    assert worst_difference(found[1], expected[1])[0] == 0
    assert twin(**_batches()[1].given()).logits is None
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert run(model, _batches()[1])[0] == expected[0]
    acceleration.undo()
    assert twin(**_batches()[1].given()).logits is None


def test_state_dictionary_and_names_do_not_change() -> None:
    model = with_lora(tiny_model("llama"))
    names = list(model.state_dict())
    accelerate(model)
    assert list(model.state_dict()) == names
    assert type(model.get_base_model()).__name__ == "LlamaForCausalLM"


def _unsupported(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=151, n_embd=64, n_layer=2, n_head=4, n_positions=256, resid_pdrop=0, embd_pdrop=0,
            attn_pdrop=0,
        )  # fmt: skip
        return transformers.GPT2LMHeadModel(config).train()
    common = {
        "vocab_size": 151, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0,
    }  # fmt: skip
    if kind == "granite":
        return transformers.GraniteForCausalLM(
            transformers.GraniteConfig(**common, logits_scaling=3.0, residual_multiplier=0.5)
        ).train()
    if kind == "cohere":
        return transformers.CohereForCausalLM(transformers.CohereConfig(**common, logit_scale=0.3)).train()
    if kind == "olmo2":
        return transformers.Olmo2ForCausalLM(transformers.Olmo2Config(**common)).train()
    return transformers.MixtralForCausalLM(
        transformers.MixtralConfig(**common, num_local_experts=3, output_router_logits=True)
    ).train()


@pytest.mark.parametrize("kind", ["gpt2", "granite", "cohere", "olmo2", "mixtral"])
def test_a_family_that_was_not_compared_runs_plain_and_the_report_says_so(kind: str) -> None:
    acceleration = assert_equal_steps(lambda: _unsupported(kind), accelerate, _batches()[:2])
    assert "attention: 2 of 2 plain: model type" in str(acceleration)
    assert acceleration.packing is None
    assert "loss in forward: 1 of 1 plain" in str(acceleration)


def test_obstacles_of_attention_are_reported_and_its_result_is_plain() -> None:
    plain, fast = (tiny_model("llama", is_causal=False).eval() for _ in range(2))
    assert "bidirectional" in str(accelerate(fast))
    with torch.no_grad():
        expected, found = (m(**_batches()[1].given(), use_cache=False).loss for m in (plain, fast))
    torch.testing.assert_close(found, expected)


def test_attention_dropout_drops_in_training_only() -> None:
    """The draws are other ones than the plain path's; their mean and gradient are tested beside the encoder."""
    plain, fast = (tiny_model("llama", attention_dropout=0.3).eval() for _ in range(2))
    assert "attention: fast" in str(accelerate(fast))
    with torch.no_grad():
        expected, found = (m(**_batches()[1].given(), use_cache=False).loss for m in (plain, fast))
    torch.testing.assert_close(found, expected)
    fast.train()
    assert run(fast, _batches()[0], seed=1)[0] == run(fast, _batches()[0], seed=1)[0]
    assert run(fast, _batches()[0], seed=1)[0] != run(fast, _batches()[0], seed=2)[0]


def test_soft_prompts_leave_the_model_plain() -> None:
    from peft import PromptTuningConfig, get_peft_model

    model: Any = get_peft_model(
        tiny_model("llama"), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    )
    classes = {name: type(module) for name, module in model.named_modules()}
    assert "soft prompts" in str(accelerate(model))
    assert {name: type(module) for name, module in model.named_modules()} == classes


def test_200_steps_track_the_plain_loss_curve() -> None:
    """Rounding grows from step to step, so the plain path's own noise is the measure: starts one rounding apart."""

    def curve(is_fast: bool, nudge: int | None = None) -> list[float]:
        model = with_lora(tiny_model("llama"))
        if nudge is not None:
            generator = torch.Generator().manual_seed(nudge)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.mul_(1 + (torch.rand(parameter.shape, generator=generator) - 0.5) * 2**-22)
        if is_fast:
            accelerate(model)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
        losses = []
        for step in range(200):
            loss = model(**batches[step % len(batches)].given(), use_cache=False).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
        return losses

    def worst_of(losses: list[float]) -> float:
        return max(abs(found / expected - 1) for found, expected in zip(losses, plain, strict=True))

    batches = [packed(rows_of((20, 3, 31), seed=seed)) for seed in range(4)]
    plain, fast = curve(False), curve(True)
    assert plain[-1] < 0.6 * plain[0], "the model learnt nothing"
    assert fast[:150] == pytest.approx(plain[:150], rel=2e-3)
    noise = max(worst_of(curve(False, nudge)) for nudge in range(6))
    assert noise < 5e-3, "the plain path is too noisy to compare with"
    assert worst_of(fast) <= max(2e-3, 2 * noise)


@pytest.mark.parametrize("is_bf16", [False, True])
def test_hugging_face_trainer_reaches_the_same_loss(is_bf16: bool, tmp_path: Any) -> None:
    """Columns of the data set are chosen by the signature of forward, and accumulation by its arguments."""
    from datasets import Dataset
    from transformers import DataCollatorForTokenClassification, Trainer, TrainingArguments

    class Filler:
        """As much of a tokenizer as the collator asks for."""

        padding_side = "right"

        def pad(self, features: list[dict[str, Any]], **_: Any) -> dict[str, torch.Tensor]:
            width = max(len(feature["input_ids"]) for feature in features)
            ids = [[*f["input_ids"], *[0] * (width - len(f["input_ids"]))] for f in features]
            masks = [[1] * len(f["input_ids"]) + [0] * (width - len(f["input_ids"])) for f in features]
            return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(masks)}

    rows = rows_of((9, 30, 4, 17, 22, 8, 13, 40))
    data = Dataset.from_list(
        [{"input_ids": tokens.tolist(), "labels": labels.tolist(), "note": "x"} for tokens, labels in rows]
    )

    def losses(is_fast: bool) -> list[float]:
        model = with_lora(tiny_model("llama"))
        if is_fast:
            accelerate(model)
        arguments = TrainingArguments(
            output_dir=str(tmp_path), max_steps=6, per_device_train_batch_size=2, logging_steps=1,
            gradient_accumulation_steps=2, learning_rate=1e-2, report_to=[], save_strategy="no", use_cpu=True,
            disable_tqdm=True, bf16=is_bf16, seed=5, eval_strategy="steps", eval_steps=3,
        )  # fmt: skip
        collator = DataCollatorForTokenClassification(Filler())  # type: ignore[arg-type]
        trainer = Trainer(
            model=model, args=arguments, train_dataset=data, eval_dataset=data, data_collator=collator
        )
        trainer.train()
        history = trainer.state.log_history
        return [entry[name] for entry in history for name in ("loss", "eval_loss") if name in entry]

    plain, fast = losses(False), losses(True)
    assert len(plain) == 8
    assert fast == pytest.approx(plain, rel=5e-3 if is_bf16 else 1e-4)
