"""Subjects for examinations: a tiny chat model, tuned by hand on a few rows or left as it is."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch

from luthier.data.example import Example, Rejection
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.examination import HeldOut, Subject
from luthier.evaluate.statistics import Resampling
from luthier.objectives.contract import Objective
from luthier.objectives.pretraining import build_pretraining
from luthier.objectives.sft import build_sft
from tests.models.tiny_chat import make_chat_llama, make_chat_tokenizer


def question(number: int, answer: str) -> Sample:
    """Return a conversation of one question and its answer."""
    return Sample("rows", number, (Message("user", f"What is {number}?"), Message("assistant", answer)))


def held(samples: Sequence[Sample], objective: Objective) -> HeldOut:
    """Return samples in both forms."""
    rows: list[Example] = []
    for sample in samples:
        encoded = objective.encoder(sample)
        assert not isinstance(encoded, Rejection)
        rows += encoded
    return HeldOut(rows, samples)


def tuned_on(rows: Sequence[Example], objective: Objective, *, steps: int, seed: int = 0) -> Any:
    """Return the tiny model after some steps over all rows at once."""
    model = make_chat_llama(seed, initializer_range=0.05).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    batch = objective.collate(rows)
    for _ in range(steps):
        loss = objective.loss(model, batch)
        (loss.total / loss.num_items).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def chat_subject(
    trained: Sequence[Sample],
    held_out: Sequence[Sample],
    *,
    steps: int,
    knows_base: bool = True,
    knows_rows: bool = True,
) -> Subject:
    """Return the tiny chat model, tuned on rows, and what it was tuned from."""
    tokenizer = make_chat_tokenizer()
    template = ChatTemplate(tokenizer)
    objective = build_sft(template, loss_on="assistant", max_length=256, too_long="reject", packing=False)
    own = held(trained, objective)
    model = tuned_on(own.rows, objective, steps=steps)
    base = make_chat_llama(0, initializer_range=0.05).eval()
    return Subject(
        load=lambda: deepcopy(model),
        load_base=(lambda: deepcopy(base)) if knows_base else None,
        objective=objective,
        tokenizer=tokenizer,
        template=template,
        held_out=held(held_out, objective),
        trained=own if knows_rows else None,
        history=(),
        dtype=torch.float32,
        how=Resampling(samples=300, confidence=0.95, seed=0),
    )


def text_subject(trained: Sequence[str], held_out: Sequence[str], *, steps: int) -> Subject:
    """Return the tiny model, tuned on raw text."""
    tokenizer = make_chat_tokenizer()
    objective = build_pretraining(tokenizer, max_length=256, packing=True)
    own, other = (
        held([Sample("texts", n, text=text) for n, text in enumerate(texts, start=1)], objective)
        for texts in (trained, held_out)
    )
    model = tuned_on(own.rows, objective, steps=steps)
    return Subject(
        load=lambda: deepcopy(model),
        load_base=None,
        objective=objective,
        tokenizer=tokenizer,
        template=None,
        held_out=other,
        trained=own,
        history=(),
        dtype=torch.float32,
        how=Resampling(samples=300, confidence=0.95, seed=0),
    )
