"""Every method on the fast path: the loss and all gradients of plain PEFT, row by row, packed and padded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.data.collate import collate_packed, collate_padded
from luthier.data.example import Example
from luthier.kernels.accelerate import accelerate
from luthier.kernels.causal_loss import causal_lm_loss
from luthier.methods.contract import trained_parameters
from luthier.models.generate import Sampling, decode
from luthier.models.load import load_model, load_trained
from luthier.models.virtual_tokens import MARK
from luthier.plan.compatibility import TRAITS
from tests.methods.families import SECTIONS, SOFT, method_of, save_base

NAMES = [name for name in SECTIONS if name not in ("full", "freeze_layers", "freeze_gradual")]
PLAIN_PARTS = {
    "dora": {"LoRA layers", "gated feed-forward"},
    "adalora": {"LoRA layers", "gated feed-forward"},
    "ia3": {"gated feed-forward"},
    "bottleneck_pfeiffer": {"gated feed-forward"},
    "bottleneck_houlsby": {"gated feed-forward"},
    "bottleneck_shared": {"gated feed-forward"},
    "prefix": {"attention"},
    "prefix_projection": {"attention"},
}
JUDGED = {"attention", "LoRA layers", "gated feed-forward"}
"""Parts that a method decides; of these the report must name exactly those above."""


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases")
    for family in ("llama", "qwen2", "gemma"):
        save_base(family, folder / family)
    return folder


def _applied(name: str, base: Path) -> Any:
    """The method over a base, off its first values, so that no gradient is zero."""
    model = method_of(name).apply(load_model(base, dtype=torch.float32))
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in trained_parameters(model).values():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.train()


def _by_peft(model: Any, **inputs: Any) -> Any:
    """PEFT's own forward, virtual tokens and all."""
    if not hasattr(model, MARK):
        return model(**inputs)
    with getattr(model, MARK).off():
        return super(type(model).__mro__[1], model).forward(**inputs)


def _gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {n: p.grad.clone() for n, p in trained_parameters(model).items() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def _row_by_row(model: Any, rows: list[Example]) -> tuple[float, dict[str, torch.Tensor]]:
    total = 0.0
    for row in rows:
        tokens, labels = (torch.from_numpy(t).long()[None] for t in (row.input_ids, row.labels))
        logits = _by_peft(model, input_ids=tokens).logits[:, -tokens.shape[1] :]
        loss = torch.nn.functional.cross_entropy(logits[0, :-1], labels[0, 1:], reduction="sum")
        loss.backward()
        total += loss.item()
    return total, _gradients(model)


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma"])
@pytest.mark.parametrize("name", NAMES)
def test_loss_and_every_gradient_are_those_of_plain_peft(
    name: str, family: str, bases: Path, make_rows: Callable[..., list[Example]]
) -> None:
    if family != "llama" and name not in {s.name for s in SECTIONS.values()}:
        pytest.skip("one of every method on the other families")
    model, rows = _applied(name, bases / family), make_rows(4)
    expected, truth = _row_by_row(model, rows)
    assert set(truth) == set(trained_parameters(model))
    report = accelerate(model, compute_dtype=torch.float32, fused_loss=False).report
    plain = {part.name for part in report if part.num_plain and part.name in JUDGED}
    assert plain == PLAIN_PARTS.get(name, set())
    batches = {"padded": collate_padded(rows, 0), "packed": collate_packed(rows)}
    if TRAITS[SECTIONS[name].name].packing:
        with pytest.raises(NotImplementedError, match="packed"):
            causal_lm_loss(model, batches.pop("packed"))
    for batch in batches.values():
        loss, _ = causal_lm_loss(model, batch)
        loss.backward()
        assert loss.item() == pytest.approx(expected, rel=1e-5)
        for parameter, gradient in _gradients(model).items():
            error = (gradient - truth[parameter]).norm() / truth[parameter].norm().clamp(min=1e-6)
            assert error < 1e-3, parameter


@pytest.mark.parametrize("name", [name for name in NAMES if SECTIONS[name].name in SOFT])
def test_soft_prompts_decode_as_in_peft(name: str, bases: Path) -> None:
    """Prompts of other lengths in one batch, padded on the left, against PEFT's generate one by one."""
    model = _applied(name, bases / "llama").eval()
    prompts = [[5, 9, 11, 40], [7, 8], [33, 21, 60, 4, 19, 77]]
    sampling = Sampling(max_new_tokens=5)
    steps = list(decode(model, prompts, sampling, stop_token_ids=(), pad_token_id=0))
    for number, prompt in enumerate(prompts):
        tokens = torch.tensor([prompt])
        generated = model.generate(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=5,
            do_sample=False,
            eos_token_id=None,
        )
        assert [step[number] for step in steps] == generated[0, len(prompt) :].tolist()


@pytest.mark.parametrize("name", [name for name in NAMES if SECTIONS[name].name in SOFT])
def test_a_soft_prompt_can_be_taken_off(name: str, bases: Path) -> None:
    model = _applied(name, bases / "llama").eval()
    tokens = torch.tensor([[5, 9, 11, 40]])
    plain = load_model(bases / "llama", dtype=torch.float32)(input_ids=tokens).logits
    with model.disable_adapter():
        assert torch.equal(model(input_ids=tokens).logits, plain)
    assert not torch.allclose(model(input_ids=tokens).logits, plain, atol=1e-3)


@pytest.mark.parametrize("name", [name for name in NAMES if SECTIONS[name].name != "bottleneck"])
def test_adapters_load_in_bare_peft_and_peft_s_own_load_here(name: str, bases: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    method = method_of(name)
    model = method.apply(load_model(bases / "llama", dtype=torch.float32))
    with torch.no_grad():
        for parameter in trained_parameters(model).values():
            parameter.add_(0.05)
    method.save(model, tmp_path, torch.float32)
    tokens = torch.tensor([[5, 9, 11, 40], [3, 4, 5, 6]])
    expected = model.eval()(input_ids=tokens).logits
    bare = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(bases / "llama", dtype=torch.float32), str(tmp_path)
    )
    assert torch.allclose(bare(input_ids=tokens).logits[:, -4:], expected, atol=1e-5)
    bare.save_pretrained(str(tmp_path / "peft"))
    ours, _ = load_trained(
        tmp_path / "peft", dtype=torch.float32
    )  # no luthier.json: the base is the one it names
    assert torch.allclose(ours(input_ids=tokens).logits, expected, atol=1e-5)


def test_bottlenecks_of_several_tasks_stand_on_one_base(bases: Path, tmp_path: Path) -> None:
    """PEFT's own switching: one adapter for each task, loaded beside the other, and off."""
    folders, expected = {}, {}
    tokens = torch.tensor([[5, 9, 11, 40]])
    for task, name in (("one", "bottleneck_houlsby"), ("two", "bottleneck_shared")):
        method, model = method_of(name), _applied(name, bases / "llama")
        folders[task] = tmp_path / task
        method.save(model, folders[task], torch.float32)
        expected[task] = model.eval()(input_ids=tokens).logits
    model, _ = load_trained(folders["one"], dtype=torch.float32)
    model.load_adapter(str(folders["two"]), "two")
    for adapter, task in (("default", "one"), ("two", "two"), ("default", "one")):
        model.set_adapter(adapter)
        assert torch.allclose(model(input_ids=tokens).logits, expected[task], atol=1e-6)
    plain = load_model(bases / "llama", dtype=torch.float32)(input_ids=tokens).logits
    with model.disable_adapter():
        assert torch.equal(model(input_ids=tokens).logits, plain)
