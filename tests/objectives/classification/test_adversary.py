"""The adversary: reversed gradients by finite differences, groups that count alike, resuming, a plain saved model."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.nn import functional

from luthier.core.errors import DataError, Interrupted
from luthier.core.events import EventLog, read_events
from luthier.data.classification.groups import TrainingGroups
from luthier.data.sample import Sample
from luthier.methods.contract import Progress, trained_parameters
from luthier.methods.full import Full
from luthier.objectives.build import build_objective
from luthier.objectives.classification.adversary import GroupAdversary, log_odds, reverse_gradient
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from luthier.recipe.objective_sections import ClassificationObjective
from luthier.recipe.schema import DataSection, TrainSection
from luthier.train.checkpoint import CheckpointStore, TrainState
from luthier.train.loop import Loop
from tests.data.tagging.tokenizers_of_words import bert
from tests.models.tiny_encoder import save_tiny_encoder
from tests.objectives.tiny_models import make

SMALL = torch.nn.Linear(1, 1)
"""Any model: the adversary asks where it computes."""


def _samples(count: int = 24) -> list[Sample]:
    """Rows of both labels whose text tells the group."""
    return [
        Sample("a", n, text="ab" if n % 3 else "cd", labels=("good" if n % 4 < 2 else "bad",),
               attributes={"kind": "xy"[n % 3 == 0]})
        for n in range(count)
    ]  # fmt: skip


def _groups(samples: list[Sample], *, given_truth: bool = False) -> TrainingGroups:
    groups = TrainingGroups("kind", "good", given_truth=given_truth)
    list(groups.counting(samples))
    return groups


def _adversary(*, given_truth: bool = False, weight: float = 2.0, **keys: Any) -> GroupAdversary:
    torch.manual_seed(0)
    groups = _groups(_samples(), given_truth=given_truth)
    return GroupAdversary(groups, given_truth=given_truth, weight=weight, **{"learning_rate": 0.05, **keys})


def _objective(**fairness: Any) -> Any:
    return _objective_with({}, _samples(), **fairness)


def _objective_with(keys: dict[str, Any], samples: list[Sample], **fairness: Any) -> Any:
    section = ClassificationObjective.model_validate(
        {
            "name": "classification",
            **keys,
            "fairness": {"method": "adversary", "by": "kind", "positive": "good", **fairness},
        }
    )
    data = DataSection.model_validate({"train": [{"path": "x"}]})
    objective = build_objective(section, bert(), data, packing=False)
    objective.encoder.learn(samples)  # type: ignore[attr-defined]
    return objective


def test_the_gradient_is_reversed_and_the_value_is_not() -> None:
    values = torch.tensor([1.0, -2.0], requires_grad=True)
    passed = reverse_gradient(values, 3.0)
    assert torch.equal(passed, values)
    (passed**2).sum().backward()
    assert values.grad is not None and values.grad.tolist() == [-6.0, 12.0]


def test_log_odds_of_one_class_against_all_others() -> None:
    logits = torch.tensor([[1.0, 0.3, -0.7], [0.0, 5.0, 2.0]])
    chance = logits.softmax(dim=1)[:, 2]
    torch.testing.assert_close(log_odds(logits, 2), (chance / (1.0 - chance)).log())


@pytest.mark.parametrize("given_truth", [False, True])
def test_finite_differences(given_truth: bool) -> None:
    """The classifier gets minus the factor times the slope of the adversary's loss, the adversary its own slope."""
    adversary = _adversary(given_truth=given_truth)
    adversary.network.double()
    adversary._row_weights = adversary._row_weights.double()
    adversary.before_step(SMALL, Progress(90, 100, 10))
    factor = adversary._factor
    assert factor == pytest.approx(2.0 * (2.0 / (1.0 + math.exp(-9.0)) - 1.0))
    is_B, group_B = torch.tensor([True, False, True, False]), torch.tensor([0, 1, 1, -1])
    odds_B = torch.tensor([0.3, -1.2, 0.8, 2.0], dtype=torch.float64)

    def own_loss(odds_B: torch.Tensor) -> float:
        adversary._seen.clear()
        adversary.loss(odds_B, is_B, group_B)
        return float(adversary._seen[0][0])

    odds_B.requires_grad_()
    term = adversary.loss(odds_B, is_B, group_B)
    assert term.item() == 0.0
    term.backward()
    assert odds_B.grad is not None and odds_B.grad[3] == 0.0  # the row without a group
    step = 1e-5
    for number in range(3):
        moved = torch.zeros(4, dtype=torch.float64)
        moved[number] = step
        with torch.no_grad():
            slope = (own_loss(odds_B + moved) - own_loss(odds_B - moved)) / (2 * step)
        assert odds_B.grad[number].item() == pytest.approx(-factor * slope, rel=1e-5, abs=1e-9)
    bias = adversary.network[2].bias
    assert isinstance(bias, torch.Tensor) and isinstance(bias.grad, torch.Tensor)
    given = bias.grad[0].item()
    with torch.no_grad():
        bias[0] += 1e-5
        above = own_loss(odds_B)
        bias[0] -= 2e-5
        below = own_loss(odds_B)
    assert given == pytest.approx((above - below) / 2e-5, rel=1e-4)


def test_the_encoder_gets_the_reversed_gradient_through_the_head() -> None:
    objective = _objective(weight=4.0, criterion="demographic_parity")
    model, _ = make("bert", objective.head)
    batch = objective.collate([objective.encoder(sample)[0] for sample in _samples()])
    weight = model.bert.encoder.layer[0].attention.self.query.weight

    def gradient(loss: Any) -> torch.Tensor:
        model.zero_grad()
        loss.backward()
        assert weight.grad is not None
        return weight.grad.clone()

    adversary = objective.hooks
    plain = gradient(objective.loss(model, batch).total)  # before the first step the factor is 0
    adversary.before_step(model, Progress(50, 100, 10))
    together = gradient(objective.loss(model, batch).total)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    # No group has more of the loss: 16 rows of x and 8 of y weigh 24 / (2 * 16) and 24 / (2 * 8).
    odds = logits[:, 1] - logits[:, 0]
    scores = adversary.network(torch.stack([odds, odds.sigmoid()], dim=1))
    losses = functional.cross_entropy(scores, batch.labels[:, 1].long(), reduction="none")
    by_hand = gradient((losses * torch.tensor([0.75, 1.5])[batch.labels[:, 1]]).sum())
    assert by_hand.abs().max() > 1e-6
    torch.testing.assert_close(together - plain, -adversary._factor * by_hand, rtol=1e-3, atol=1e-6)
    assert objective.loss(model, batch).total.item() == pytest.approx(
        objective.item_losses(model, batch).sum().item(), abs=1e-4
    )
    model.eval()
    assert torch.equal(gradient(objective.loss(model, batch).total), plain)  # held-out loss: the plain one


@pytest.mark.parametrize("given_truth", [False, True])
def test_guessing_costs_the_same_whatever_the_sizes_of_groups(given_truth: bool) -> None:
    adversary = _adversary(given_truth=given_truth)
    for parameter in adversary.network.parameters():
        parameter.data.zero_()
    samples = _samples()
    is_B = torch.tensor([sample.labels == ("good",) for sample in samples])
    group_B = torch.tensor(["xy".index(sample.attributes["kind"]) for sample in samples])
    adversary.loss(torch.randn(len(samples)), is_B, group_B)
    told = adversary.report()
    assert told["adversary_loss"] == pytest.approx(math.log(2)) == told["adversary_guessing"]
    assert adversary.report() == {}
    adversary.loss(torch.randn(2), is_B[:2], torch.tensor([-1, -1]))
    assert adversary.report() == {}  # nobody had a group: there is nothing to tell


def _weighed_samples() -> list[Sample]:
    """Eight rows, most of them bad, of which some count more than others."""
    labels = ("good", "bad", "bad", "bad", "good", "bad", "bad", "bad")
    return [
        Sample("a", n, text="ab" * (1 + n % 2), labels=(label,), attributes={"kind": "xy"[n % 3 == 0]},
               weight=2.0 if n % 4 == 1 else 1.0)
        for n, label in enumerate(labels)
    ]  # fmt: skip


@pytest.mark.parametrize("criterion", ["demographic_parity", "equalized_odds"])
def test_eight_batches_of_a_weighed_row_are_one_batch_of_eight(criterion: str) -> None:
    samples = _weighed_samples()
    objective = _objective_with({"class_weights": "balanced"}, samples, weight=4.0, criterion=criterion)
    rows = [objective.encoder(sample)[0] for sample in samples]
    assert len({row.weight for row in rows}) > 2
    model, _ = make("bert", objective.head)
    adversary = objective.hooks
    adversary.before_step(model, Progress(50, 100, 10))

    def gradients(batches: list[Any]) -> dict[str, torch.Tensor]:
        for module in (model, adversary.network):
            module.zero_grad()
        total = sum(batch.weight for batch in batches)
        for batch in batches:
            (objective.loss(model, batch).total / total).backward()  # as the loop does it
        named = [*model.named_parameters(), *adversary.network.named_parameters(prefix="adversary")]
        return {name: value.grad.clone() for name, value in named if value.grad is not None}

    whole = gradients([objective.collate(rows)])
    first = adversary.report()
    parts = gradients([objective.collate([row]) for row in rows])
    assert whole.keys() == parts.keys() and whole["adversary.0.weight"].abs().max() > 1e-4
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-6, msg=name)
    assert adversary.report() == pytest.approx(first)
    assert first["adversary_guessing"] == pytest.approx(math.log(2))


def test_groups_count_alike_by_the_weights_of_their_rows() -> None:
    samples = _weighed_samples()
    objective = _objective_with({"class_weights": {"good": 3.0}}, samples, criterion="demographic_parity")
    # Of x: two bad rows of weight 1, two of weight 2 and a good one of factor 3; of y: two bad ones and a good one.
    assert objective.encoder.groups.counts() == {"x": 9.0, "y": 5.0}
    weight_of = {name: 0.0 for name in "xy"}
    factors = objective.hooks._row_weights[0].tolist()
    for sample in samples:
        kind = sample.attributes["kind"]
        weight_of[kind] += objective.encoder(sample)[0].weight * factors["xy".index(kind)]
    assert weight_of["x"] == pytest.approx(weight_of["y"]) == pytest.approx(7.0)


def test_guessing_where_a_group_has_no_rows_of_one_truth() -> None:
    """Rows with and without the label: x 5 and 5, y 3 and 4, z 0 and 6."""
    counts = {"x": (5, 5), "y": (3, 4), "z": (0, 6)}
    samples = [
        Sample("a", 1, text="a", labels=(label,), attributes={"kind": kind})
        for kind, numbers in counts.items()
        for label, number in zip(("good", "bad"), numbers, strict=True)
        for _ in range(number)
    ]
    groups = _groups(samples, given_truth=True)
    adversary = GroupAdversary(groups, given_truth=True, weight=1.0, learning_rate=0.05)
    for parameter in adversary.network.parameters():
        parameter.data.zero_()
    read_truth, out = adversary.network[0], adversary.network[2]
    read_truth.weight.data[0, 4] = 20.0  # one hidden value says whether the row has the label …
    out.weight.data[2, 0] = -50.0  # … and rules z out there: all else is a guess
    is_B = torch.tensor([sample.labels == ("good",) for sample in samples])
    group_B = torch.tensor(["xyz".index(sample.attributes["kind"]) for sample in samples])
    adversary.loss(torch.randn(len(samples)), is_B, group_B)
    told = adversary.report()
    assert told["adversary_guessing"] == pytest.approx((8 * math.log(2) + 15 * math.log(3)) / 23)
    assert told["adversary_loss"] == pytest.approx(told["adversary_guessing"])
    plain = GroupAdversary(_groups(samples), given_truth=False, weight=1.0, learning_rate=0.05)
    plain.loss(torch.randn(len(samples)), is_B, group_B)
    assert plain.report()["adversary_guessing"] == pytest.approx(math.log(3))


@pytest.mark.parametrize("tells", [True, False])
def test_it_finds_the_group_where_the_answers_tell_it(tells: bool) -> None:
    adversary = _adversary(weight=1.0)
    generator = torch.Generator().manual_seed(1)
    for step in range(300):
        adversary.before_step(SMALL, Progress(step, 300, 10))
        group_B = (torch.rand(64, generator=generator) < 1 / 3).long()
        odds_B = torch.randn(64, generator=generator) + (3.0 * group_B if tells else 0.0)
        adversary.loss(odds_B, group_B > 5, group_B).backward()
        adversary.after_step(SMALL, Progress(step + 1, 300, 10))
        if step == 199:
            adversary.report()
    loss = adversary.report()["adversary_loss"]
    assert loss < 0.35 if tells else loss == pytest.approx(math.log(2), abs=0.05)


def _train(folder: Path, *, stop_after: int | None = None) -> tuple[dict[str, torch.Tensor], Any]:
    objective = _objective(weight=1.0)
    model, _ = make("bert", objective.head)
    Full().apply(model)
    settings = TrainSection.model_validate(
        {
            "learning_rate": 1e-2,
            "max_steps": 8,
            "per_device_train_batch_size": 6,
            "gradient_accumulation_steps": 2,
            "eval_strategy": "no",
            "logging_steps": 1,
        }
    )
    log = EventLog(folder / "events.jsonl")
    if stop_after is not None:
        log.listen(
            lambda e: (
                os.kill(os.getpid(), signal.SIGINT)
                if e["kind"] == "train_step" and e["step"] == stop_after
                else None
            )
        )
    store = CheckpointStore(
        folder / "checkpoints", fingerprint="f" * 64, keep=2, wait_minutes=0.0, events=log
    )
    rows = [objective.encoder(sample)[0] for sample in _samples()]
    loop = Loop(
        model, objective, rows, [], settings,
        dtype=torch.float32, micro_batch_tokens=64, seed=3, checkpoints=store, events=log,
    )  # fmt: skip
    newest = store.newest()
    with contextlib.suppress(Interrupted):
        loop.run(store.load(newest)[0] if newest else TrainState(fingerprint="f" * 64))
    return {name: p.detach().clone() for name, p in trained_parameters(model).items()}, objective.hooks


def test_a_resumed_run_is_bit_equal_and_the_log_tells_of_the_adversary(tmp_path: Path) -> None:
    whole, adversary = _train(tmp_path / "a")
    _train(tmp_path / "b", stop_after=3)
    resumed, same = _train(tmp_path / "b")
    steps = [e for e in read_events(tmp_path / "a/events.jsonl") if e["kind"] == "train_step"]
    assert len(steps) == 8
    assert all(
        e["adversary_loss"] > 0 and e["adversary_guessing"] == pytest.approx(math.log(2)) for e in steps
    )
    assert steps[0]["adversary_loss"] != steps[-1]["adversary_loss"]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    one, two = adversary.state(SMALL), same.state(SMALL)
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    assert not any("network" in name or "adversary" in name for name in whole)


def test_the_result_is_a_plain_classifier(tmp_path: Path) -> None:
    from safetensors import safe_open
    from transformers import AutoModelForSequenceClassification

    save_tiny_encoder(tmp_path / "base")
    rows = [{"text": "abc"[n % 3] * 5, "label": "pn"[n % 2], "kind": "xy"[n % 3 == 0]} for n in range(48)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe: dict[str, Any] = {
        "name": "tiny",
        "runs_dir": str(tmp_path / "runs"),
        "model": {"base": "base", "dtype": "float32"},
        "data": {"train": [{"path": "rows.jsonl", "attributes": ["kind"]}], "max_length": 16},
        "objective": {"name": "classification"},
        "method": {"name": "full"},
        "train": {"learning_rate": 0.01, "max_steps": 3, "eval_strategy": "no", "report_to": []},
    }
    names = {}
    for way in ("plain", "adversary"):
        if way == "adversary":
            recipe["objective"]["fairness"] = {"method": way, "by": "kind", "positive": "p"}
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        job = run(make_plan(load(tmp_path / "recipe.yaml", [f"name={way}"])), until="train")
        folder = job.folder.path / "model"
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            names[way] = set(file.keys())
    assert names["adversary"] == names["plain"]
    model, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert type(model).__name__ == "BertForSequenceClassification" and model.config.num_labels == 2
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_rows_that_leave_nothing_to_compare_are_refused() -> None:
    no_good_y = [s for s in _samples() if s.attributes["kind"] == "x" or s.labels == ("bad",)]
    with pytest.raises(DataError, match="1 has training rows with the label 'good'") as raised:
        _groups(no_good_y, given_truth=True).check(("bad", "good"))
    assert "demographic_parity" in str(raised.value.cure)
    _groups(no_good_y).check(("bad", "good"))
    _groups(_samples(), given_truth=True).check(("bad", "good"))
    with pytest.raises(DataError, match="without a group"):
        _groups([Sample("a", 1, text="a", labels=("good",))]).check(("bad", "good"))
    with pytest.raises(DataError, match="'good' is no class"):
        _groups(_samples()).check(("bad", "nice"))
