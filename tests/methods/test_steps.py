"""What methods do around a step, in the real loop: schedules are followed, resuming changes nothing, the loss falls."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import TrainingError
from luthier.core.events import EventLog
from luthier.data.example import Example
from luthier.methods.build import build_method
from luthier.methods.contract import Method, Progress, trained_parameters
from luthier.objectives.language_modeling import LanguageModeling
from luthier.plan.base_facts import layer_of
from luthier.recipe.method_sections import AdaLoraMethod, FreezeMethod
from luthier.recipe.schema import TrainSection
from luthier.train.checkpoint import CheckpointStore, TrainState
from luthier.train.loop import Loop
from tests.methods.families import SECTIONS, method_of

Made = Callable[..., Any]
NUM_STEPS = 6
RATES = {"ia3": 0.1, "freeze_gradual": 0.005}
ADALORA = AdaLoraMethod(name="adalora", target_r=2, init_r=6, tinit=1, tfinal=2, lora_dropout=0.1)


class Watched:
    """A loop over a tiny Llama, and what it told."""

    def __init__(
        self, folder: Path, model: Any, method: Method, rows: list[Example], **settings: Any
    ) -> None:
        self.events: list[dict[str, Any]] = []
        log = EventLog(folder / "events.jsonl")
        log.listen(self.events.append)
        self._store = CheckpointStore(
            folder / "checkpoints", fingerprint="f" * 64, keep=9, wait_minutes=0.0, events=log
        )
        torch.manual_seed(2)
        self.model = method.apply(model)
        section = TrainSection.model_validate(
            {
                "learning_rate": 0.02,
                "max_steps": NUM_STEPS,
                "per_device_train_batch_size": 4,
                "eval_strategy": "no",
                "save_strategy": "steps",
                "save_steps": 1,
                "lr_scheduler_type": "constant",
                "warmup_ratio": 0.0,
                **settings,
            }
        )
        self.loop = Loop(
            self.model,
            LanguageModeling(encoder=None, packing=section.packing, pad_token_id=0),  # type: ignore[arg-type]
            rows,
            [],
            section,
            dtype=torch.float32,
            micro_batch_tokens=64,
            seed=3,
            checkpoints=self._store,
            events=log,
            hooks=method,
        )

    def run(self, from_step: int = 0) -> dict[str, torch.Tensor]:
        """Train to the end and return the trained weights."""
        state = self._store.load(from_step)[0] if from_step else TrainState(fingerprint="f" * 64)
        self.loop.run(state)
        return {name: p.detach().clone() for name, p in self.model.named_parameters()}

    @property
    def losses(self) -> list[float]:
        return [event["loss"] for event in self.events if event["kind"] == "train_step"]


def _method(name: str) -> Method:
    return build_method(ADALORA) if name == "adalora" else method_of(name)


@pytest.mark.parametrize("name", [*(n for n in SECTIONS if n not in ("full", "rslora", "freeze_layers"))])
def test_a_resumed_run_ends_with_the_same_bits_and_the_loss_falls(
    name: str, make_tiny_llama: Made, make_rows: Made, tmp_path: Path
) -> None:
    rows, packing = make_rows(8), not name.startswith("prefix")
    rate = {"learning_rate": RATES.get(name, 0.01)}
    whole = Watched(
        tmp_path, make_tiny_llama(1), _method(name), rows, packing=packing, logging_steps=1, **rate
    )
    expected = whole.run()
    for step in range(4, NUM_STEPS + 1):
        shutil.rmtree(tmp_path / "checkpoints" / f"step-{step}")
    again = Watched(tmp_path, make_tiny_llama(1), _method(name), rows, packing=packing, **rate)
    found = again.run(from_step=3)
    assert all(torch.equal(found[n], weight) for n, weight in expected.items())
    if name == "adalora":
        first, second = (w.model.base_model.rankallocator for w in (whole, again))
        assert first.exp_avg_ipt.keys() == second.exp_avg_ipt.keys()
        config = again.model.peft_config["default"]
        assert config.rank_pattern == whole.model.peft_config["default"].rank_pattern != None  # noqa: E711
    if name != "adalora":  # whose ranks are taken away meanwhile
        assert sum(whole.losses[-2:]) < sum(whole.losses[:2])


def test_adalora_s_ranks_follow_the_budget(make_tiny_llama: Made, make_rows: Made, tmp_path: Path) -> None:
    """b(t) of arXiv:2303.10512, section 3.3: cubic from init_r to target_r between the first and the last steps."""
    method = build_method(ADALORA)
    watched = Watched(tmp_path, make_tiny_llama(1), method, make_rows(8))
    left: list[int] = []
    after_step = method.after_step

    def counted(model: Any, progress: Progress) -> None:
        after_step(model, progress)
        left.append(sum(int((p != 0).sum()) for n, p in model.named_parameters() if ".lora_E." in n))

    method.after_step = counted  # type: ignore[method-assign]
    watched.run()
    layers, start, end = 14, 6 * 14, 2 * 14
    span = NUM_STEPS - ADALORA.tinit - ADALORA.tfinal
    budget = [
        start if t <= 1 else max(end, int(end + (start - end) * max(0.0, 1 - (t - 1) / span) ** 3))
        for t in range(1, NUM_STEPS + 1)
    ]
    assert len([n for n, _ in watched.model.named_parameters() if ".lora_E." in n]) == layers
    assert left == budget
    assert left[-1] == end


def test_the_penalty_is_pefts(make_tiny_llama: Made) -> None:
    """Of PEFT's own forward, which adds it to a loss that it returns."""
    method = build_method(ADALORA)
    model = method.apply(make_tiny_llama()).eval()
    tokens = torch.tensor([[5, 9, 11]])
    plain = model(input_ids=tokens, labels=tokens).loss
    model.peft_config["default"].orth_reg_weight = ADALORA.orth_reg_weight
    with_penalty = model(input_ids=tokens, labels=tokens).loss
    assert method.penalty(model) is not None
    torch.testing.assert_close(method.penalty(model), with_penalty - plain, rtol=1e-4, atol=1e-5)


def test_layers_thaw_from_the_top_and_cost_nothing_before(
    make_tiny_llama: Made, make_rows: Made, tmp_path: Path
) -> None:
    section = FreezeMethod(name="freeze", unfreeze_every=2, unfreeze_unit="steps")
    method = build_method(section)
    model = make_tiny_llama(1, num_hidden_layers=2, tie_word_embeddings=False)
    watched = Watched(tmp_path, model, method, make_rows(8))
    seen: list[tuple[set[Any], bool]] = []
    after_step = method.after_step
    is_tracked: list[bool] = []
    model.model.layers[0].register_forward_hook(
        lambda module, inputs, output: is_tracked.append(
            (output[0] if isinstance(output, tuple) else output).requires_grad
        )
    )

    def noted(model: Any, progress: Progress) -> None:
        after_step(model, progress)
        with_gradient = {_place(n) for n, p in model.named_parameters() if p.grad is not None}
        seen.append((with_gradient, is_tracked[-1]))

    method.after_step = noted  # type: ignore[method-assign]
    watched.run()
    top, second, last = {"top", 1}, {"top", 1, 0}, {"top", 1, 0, "embedding"}
    assert [places for places, _ in seen] == [top, top, second, second, last, last]
    assert [tracked for _, tracked in seen] == [False, False, True, True, True, True]


def _place(name: str) -> Any:
    layer = layer_of(name)
    return layer if layer is not None else "embedding" if "embed" in name else "top"


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (
            FreezeMethod(name="freeze", unfreeze_every=5, unfreeze_unit="steps"),
            "the last of 3 groups would thaw after 10",
        ),
        (AdaLoraMethod(name="adalora", tinit=4, tfinal=2), "leave no step of 6"),
    ],
)
def test_a_schedule_that_cannot_take_effect_is_refused(
    section: Any, words: str, make_tiny_llama: Made, make_rows: Made, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=words):
        Watched(tmp_path, make_tiny_llama(), build_method(section), make_rows(8)).run()


def test_weights_that_thaw_later_are_among_the_trained(make_tiny_llama: Made) -> None:
    method = build_method(FreezeMethod(name="freeze", trainable_layers=2, unfreeze_every=1))
    model = method.apply(make_tiny_llama(num_hidden_layers=3))
    assert {layer_of(name) for name in trained_parameters(model)} == {1, 2}
    method.before_step(model, Progress(0, 4, 2))
    assert {layer_of(name) for name in trained_parameters(model)} == {2}
    method.before_step(model, Progress(2, 4, 2))
    assert {layer_of(name) for name in trained_parameters(model)} == {1, 2}
