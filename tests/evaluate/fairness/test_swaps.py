"""Words swapped in held-out rows: a classifier that reads the sex answers otherwise, one that does not stays."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from luthier.core.errors import DataError
from luthier.data.sample import Message, Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.examination import Examined, HeldOut, Subject
from luthier.evaluate.fairness.check import FairnessExamination
from luthier.objectives.build import build_objective
from luthier.objectives.classification.evaluator import Judgement
from luthier.recipe.evaluate_sections.fairness import FairnessSection
from luthier.recipe.objective_sections import SftObjective
from luthier.recipe.schema import DataSection
from tests.evaluate.fairness.subjects import HOW, SaysAsTold, classifier_subject
from tests.models.tiny_chat import make_chat_llama, make_chat_tokenizer

TEXTS = ["he is a doctor", "she is a nurse", "the cat sleeps", "he and she talk"]


def examine(subject: Subject, **keys: Any) -> Examined:
    section = FairnessSection.model_validate({"swaps": ["gender_en"], **keys})
    found = FairnessExamination(section).examine(subject)
    assert {figure.name for figure in found.figures} <= set(section.figure_names)
    return found


class Reads(SaysAsTold):
    """Says good of texts that begin with a word."""

    def __init__(self, word: str) -> None:
        super().__init__([])
        self._word = word

    def predict(self, model: Any, rows: Any, samples: Any, **options: Any) -> Judgement:
        said = np.array(
            [bytes(row.input_ids.astype(np.uint8)).decode().startswith(self._word) for row in rows]
        )
        said_NC = np.stack([~said, said], axis=1)
        return Judgement(said_NC.astype(np.float64), said_NC, np.zeros(len(said)))


def subject_of(texts: list[str], word: str) -> Subject:
    subject = classifier_subject([0] * len(texts), [0] * len(texts), [{}] * len(texts))
    samples = [Sample("a.csv", n, text=text, labels=("bad",)) for n, text in enumerate(texts, 1)]

    def encode(sample: Sample) -> Any:
        ids = np.frombuffer(str(sample.text).encode(), np.uint8).astype(np.int32)
        return [replace(subject.held_out.rows[0], input_ids=ids)]

    objective: Any = SimpleNamespace(evaluator=Reads(word), encoder=encode)
    return replace(subject, objective=objective, held_out=HeldOut(subject.held_out.rows, samples))


def test_a_classifier_that_reads_the_sex_and_one_that_does_not() -> None:
    found = examine(subject_of(TEXTS * 10, "he "))
    flips, moved = (figure.value for figure in found.figures)
    assert flips is not None and moved is not None
    # Of four texts one names nobody; "he and she talk" becomes "she and he talk".
    assert flips.value == moved.value == 1.0 and found.figures[0].num_rows == 30
    assert flips.low > 0.8
    assert found.findings[0].is_bad
    kinds, examples = found.tables
    assert kinds.rows[0][:2] == ["gender_en", 30] and kinds.rows[0][-1] == "+1.000 of bad"
    assert examples.rows[0][1] != examples.rows[0][3]
    same = examine(subject_of(TEXTS * 10, "the"))
    assert same.figures[0].value is not None and same.figures[0].value.value == 0.0
    assert not same.findings[0].is_bad


def test_rows_are_drawn_and_own_words_count() -> None:
    found = examine(subject_of(TEXTS * 10, "he "), swap_rows=5)
    assert found.figures[0].num_rows == 5
    own = examine(subject_of(TEXTS * 10, "the cat"), swaps=[], swap_words=[["cat", "dog"]])
    assert own.figures[0].num_rows == 10 and own.figures[0].value.value == 1.0  # type: ignore[union-attr]


def test_rows_without_such_words_are_told() -> None:
    with pytest.raises(DataError, match=r"(?s)no held-out row has words of gender_en.*swap_words"):
        examine(subject_of(["the cat"] * 5, "the"))


def test_a_language_model_and_its_base() -> None:
    tokenizer = make_chat_tokenizer()
    template = ChatTemplate(tokenizer)
    data = DataSection.model_validate({"train": [{"path": "x"}]})
    objective = build_objective(SftObjective(), template, data, packing=False)
    samples = [
        Sample(
            "a",
            n,
            messages=(Message("user", f"what does {who} do?"), Message("assistant", f"{who} is the fox.")),
        )
        for n, who in enumerate(["he", "she", "it"] * 6)
    ]
    rows = [objective.encoder(sample)[0] for sample in samples]  # type: ignore[index]
    model, base = (
        make_chat_llama(initializer_range=0.5).eval(),
        make_chat_llama(initializer_range=0.02).eval(),
    )
    subject = replace(
        classifier_subject([0], [0], [{}]),
        objective=objective,
        load=lambda: model,
        load_base=lambda: base,
        held_out=HeldOut(rows, samples),
        dtype=torch.float32,
        how=HOW,
    )
    found = examine(subject)
    (change,) = found.figures
    assert change.num_rows == 12 and change.value is not None and change.base is not None
    assert change.value.value > change.base.value > 0
    assert change.improvement is not None and change.improvement.high < 0
    assert found.findings[0].is_bad
