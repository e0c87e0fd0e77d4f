"""The loss equals transformers' own and TRL's SFTTrainer on the same rows, label by label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luthier.data.example import IGNORED, Example
from luthier.kernels.accelerate import accelerate
from luthier.objectives.language_modeling import LanguageModeling
from tests.kernels.families import with_lora

Made = Callable[..., Any]
PAD = 0


def objective(*, packing: bool) -> LanguageModeling:
    return LanguageModeling(encoder=None, packing=packing, pad_token_id=PAD)  # type: ignore[arg-type]


@pytest.fixture
def rows(make_rows: Made) -> list[Example]:
    """Rows with gaps in their labels, one with a single label, one of pad tokens that are real."""
    made: list[Example] = make_rows(6)
    made[1].labels[:] = made[1].input_ids
    made[1].labels[2:4] = IGNORED
    made[2].labels[:] = IGNORED
    made[2].labels[-1] = made[2].input_ids[-1]
    made[3].input_ids[1:3] = PAD
    return made


def label_losses(model: Any, rows: list[Example]) -> torch.Tensor:
    """Transformers' own loss of every single label, each row alone: `labels=` with all but one ignored."""
    losses = []
    for row in rows:
        ids = torch.from_numpy(row.input_ids.astype(np.int64))[None]
        for position in range(1, len(row.labels)):
            if row.labels[position] == IGNORED:
                continue
            labels = torch.full_like(ids, IGNORED)
            labels[0, position] = int(row.labels[position])
            losses.append(model(input_ids=ids, labels=labels).loss)
    return torch.stack(losses)


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("is_tied", [True, False])
def test_every_label_costs_what_transformers_says(
    packing: bool, is_tied: bool, make_tiny_llama: Made, rows: list[Example]
) -> None:
    model = make_tiny_llama(tie_word_embeddings=is_tied)
    ours = objective(packing=packing)
    with torch.no_grad():
        expected = label_losses(model, rows)
        batch = ours.collate(rows)
        found = ours.item_losses(model, batch)
        loss = ours.loss(model, batch)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)
    assert loss.num_items == batch.num_supervised == len(expected)
    assert loss.total.item() == pytest.approx(expected.sum().item(), rel=1e-5)
    assert loss.total.dtype == torch.float32


def test_the_mean_of_a_padded_batch_is_transformers_loss(make_tiny_llama: Made, rows: list[Example]) -> None:
    model = make_tiny_llama()
    ours = objective(packing=False)
    batch = ours.collate(rows)
    with torch.no_grad():
        loss = ours.loss(model, batch)
        theirs = model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels
        ).loss
    assert loss.total.item() / loss.num_items == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("packing", [True, False])
def test_gradients_are_those_of_transformers(
    packing: bool, make_tiny_llama: Made, rows: list[Example]
) -> None:
    one, two = make_tiny_llama(), make_tiny_llama()
    ours = objective(packing=packing)
    ours.loss(one, ours.collate(rows)).total.backward()
    label_losses(two, rows).sum().backward()
    for (name, mine), theirs in zip(one.named_parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-4, rtol=1e-4, msg=name)


def trl_trainer(model: Any, rows: list[Example], folder: Path, *, with_labels: bool) -> Any:
    """TRL's trainer over rows that are already tokens, with labels or with the mask of the completion."""
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    def entry(row: Example) -> dict[str, list[int]]:
        ids = [int(token) for token in row.input_ids]
        if with_labels:
            return {"input_ids": ids, "labels": [int(label) for label in row.labels]}
        return {"input_ids": ids, "completion_mask": [int(label != IGNORED) for label in row.labels]}

    arguments = trl.SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=len(rows),
        max_length=None,
        completion_only_loss=not with_labels,
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
    )
    from tests.models.tiny_chat import make_chat_tokenizer

    return trl.SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([entry(row) for row in rows]),
        processing_class=make_chat_tokenizer(),
    )


@pytest.mark.parametrize("with_labels", [True, False])
@pytest.mark.parametrize("packing", [True, False])
def test_trl_computes_the_same_loss(
    packing: bool, with_labels: bool, make_tiny_llama: Made, make_rows: Made, tmp_path: Path
) -> None:
    """TRL 1.16, SFTTrainer.compute_loss: the mean over the labels of the batch, and of one row at a time."""
    rows = make_rows(6)
    model = make_tiny_llama()
    trainer = trl_trainer(model, rows, tmp_path, with_labels=with_labels)
    ours = objective(packing=packing)
    model.eval()
    every = list(range(len(rows)))
    for chosen in (every, *[[number] for number in every]):
        group = [rows[number] for number in chosen]
        entries = [trainer.train_dataset[number] for number in chosen]
        with torch.no_grad():
            theirs = trainer.compute_loss(model, trainer.data_collator(entries))
            loss = ours.loss(model, ours.collate(group))
        assert loss.total.item() / loss.num_items == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("packing", [True, False])
def test_a_batch_without_labels_costs_nothing(packing: bool, make_tiny_llama: Made, make_rows: Made) -> None:
    rows = make_rows(2)
    for row in rows:
        row.labels[:] = IGNORED
    model = make_tiny_llama()
    ours = objective(packing=packing)
    loss = ours.loss(model, ours.collate(rows))
    loss.total.backward()
    assert loss.num_items == 0 and loss.total.item() == 0.0
    assert len(ours.item_losses(model, ours.collate(rows))) == 0


def weighted(row: Example, weight: float) -> Example:
    return replace(row, weight=weight)


def gradient(model: Any, ours: LanguageModeling, steps: list[list[Example]]) -> dict[str, torch.Tensor]:
    """The gradient of a step of several micro-batches, as the loop makes it."""
    model.zero_grad()
    batches = [ours.collate(rows) for rows in steps]
    weight = sum(batch.weight for batch in batches)
    for batch in batches:
        (ours.loss(model, batch).total / weight).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("trained", ["all", "adapter", "bent head"])
def test_a_weight_of_two_is_the_row_twice(
    packing: bool, is_fast: bool, trained: str, make_tiny_llama: Made, rows: list[Example]
) -> None:
    model = make_tiny_llama()
    if trained != "all":
        model = with_lora(
            model, **({"target_modules": ["q_proj", "lm_head"]} if trained == "bent head" else {})
        )
    if is_fast:
        accelerate(model)
    ours = objective(packing=packing)
    twice = gradient(model, ours, [[*rows[:3], rows[1], rows[1], *rows[3:], rows[4]]])
    heavy = [weighted(row, {1: 3.0, 4: 2.0}.get(number, 1.0)) for number, row in enumerate(rows)]
    for steps in ([heavy], [heavy[:2], heavy[2:]]):
        found = gradient(model, ours, steps)
        assert found.keys() == twice.keys()
        for name, expected in twice.items():
            torch.testing.assert_close(found[name], expected, atol=1e-6, rtol=1e-4, msg=name)


@pytest.mark.parametrize("packing", [True, False])
def test_equal_weights_change_nothing(packing: bool, make_tiny_llama: Made, rows: list[Example]) -> None:
    model, ours = make_tiny_llama(), objective(packing=packing)
    plain, heavy = ours.collate(rows), ours.collate([weighted(row, 0.25) for row in rows])
    assert plain.label_weights is None and plain.weight == plain.num_supervised
    assert heavy.weight == plain.weight / 4 and heavy.unweighted().label_weights is None
    with torch.no_grad():
        one, other = ours.loss(model, plain), ours.loss(model, heavy)
        assert torch.equal(ours.loss(model, heavy.unweighted()).total, one.total)
        assert torch.equal(ours.item_losses(model, heavy), ours.item_losses(model, plain))
    assert one.total.item() / plain.weight == pytest.approx(other.total.item() / heavy.weight, rel=1e-6)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weights=st.lists(st.floats(0.01, 50.0), min_size=6, max_size=6), packing=st.booleans())
def test_the_weighted_mean_is_that_of_the_labels(
    make_tiny_llama: Made, make_rows: Made, weights: list[float], packing: bool
) -> None:
    """sum(w · loss) / sum(w) over labels, with each label's loss from the model without weights."""
    model, rows, ours = make_tiny_llama(), make_rows(6), objective(packing=packing)
    batch = ours.collate([weighted(row, weight) for row, weight in zip(rows, weights, strict=True)])
    each = np.repeat(weights, [row.num_supervised for row in rows])
    with torch.no_grad():
        losses = ours.item_losses(model, batch).double().numpy()
        total = ours.loss(model, batch).total.item()
    assert total / batch.weight == pytest.approx(float(np.average(losses, weights=each)), rel=1e-5)


def test_packing_chooses_the_batch(make_rows: Made) -> None:
    rows = make_rows(3)
    assert objective(packing=True).collate(rows).attention_mask is None
    padded = objective(packing=False).collate(rows)
    assert padded.attention_mask is not None and padded.input_ids.shape[0] == 3


def test_pretraining_and_sft_label_their_tokens() -> None:
    """Raw text trains every token; a conversation only the answer."""
    from luthier.data.sample import Message, Sample
    from luthier.data.template import ChatTemplate
    from luthier.objectives.build import build_objective
    from luthier.recipe.objective_sections import PretrainingObjective, SftObjective
    from luthier.recipe.schema import DataSection
    from tests.models.tiny_chat import make_chat_tokenizer

    tokenizer = make_chat_tokenizer()
    data = DataSection.model_validate({"train": [{"path": "a"}], "max_length": 40, "too_long": "drop"})
    chat = Sample("a", 1, (Message("user", "What is it?"), Message("assistant", "Noon.")))
    sft = build_objective(SftObjective(), ChatTemplate(tokenizer), data, packing=True)
    (row,) = sft.encoder(chat)
    answer = [int(label) for label in row.labels if label != IGNORED]
    assert tokenizer.decode(answer).startswith("Noon.<|im_end|>")
    assert 0 < len(answer) < len(row.input_ids)
    everything = build_objective(SftObjective(loss_on="all"), ChatTemplate(tokenizer), data, packing=True)
    assert everything.encoder(chat)[0].num_supervised > len(answer)
    raw = build_objective(PretrainingObjective(name="pretraining"), tokenizer, data, packing=True)
    blocks = raw.encoder(Sample("a", 1, (), text="The quick brown fox. " * 20))
    assert len(blocks) > 1 and all(len(block.input_ids) <= 40 for block in blocks)
    assert all((block.labels == block.input_ids).all() for block in blocks)
