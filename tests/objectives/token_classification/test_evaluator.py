"""Judging tags: the figures of seqeval, over windows as over whole rows, against each word's most frequent tag."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, classification_report, f1_score, precision_score, recall_score

from luthier.data.sample import Sample
from luthier.data.tagging.encode import TagEncoder
from luthier.evaluate.statistics import Resampling, sums_intervals
from luthier.objectives.token_classification.evaluator import Tagged
from luthier.objectives.token_classification.objective import TokenClassification
from tests.data.tagging.test_tag_set import samples
from tests.objectives.tiny_models import FAMILIES, make

TAGS = ["O", "B-x", "I-x", "B-y", "I-y"]
ROWS = samples(
    "one/B-x unbelievable/I-x two/O", "天气/B-y", "it/O one/O states/B-x two/B-y state/I-y ./O two/O"
)


def made(family: str = "bert", max_length: int = 64) -> tuple[Any, TokenClassification]:
    from luthier.models.heads import TaskHead

    model, tokenizer = make(family, TaskHead("TOKEN_CLS", tuple(TAGS)))
    encoder = TagEncoder(
        tokenizer,
        scheme="auto",
        invalid_tags="repair",
        label_on="first",
        max_length=max_length,
        too_long="truncate",
    )
    encoder.learn(ROWS)
    return model.eval(), TokenClassification(encoder, label_smoothing=0.0, pad_token_id=0)


def sentences(count: int) -> Any:
    words = st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=8)
    return st.lists(words, min_size=1, max_size=count)


_EVALUATOR = made()[1].evaluator


@given(sentences(6))
def test_figures_are_those_of_seqeval(rows: list[list[tuple[str, str]]]) -> None:
    """Reference: seqeval 1.2.2 in its default mode."""
    assert _EVALUATOR is not None
    given_rows = [
        Sample("t", n, tokens=("w",) * len(row), tags=tuple(true for true, _ in row))
        for n, row in enumerate(rows)
    ]
    said = [[tag for _, tag in row] for row in rows]
    # Repairing writes the entities that were read, so that seqeval reads the same ones.
    true = [_EVALUATOR._encoder.trained_tags(sample) for sample in given_rows]
    judged = Tagged(said, np.ones((len(rows), 2)))
    ours = {
        m.name: float(m.statistic(m.figures_NK.sum(axis=0)))
        for m in _EVALUATOR.measures(judged, [], given_rows)
    }
    assert ours["f1"] == pytest.approx(f1_score(true, said, zero_division=0))
    assert ours["precision"] == pytest.approx(precision_score(true, said, zero_division=0))
    assert ours["recall"] == pytest.approx(recall_score(true, said, zero_division=0))
    assert ours["accuracy"] == pytest.approx(accuracy_score(true, said))
    if any(tag != "O" for row in (*true, *said) for tag in row):
        theirs = classification_report(true, said, output_dict=True, zero_division=0)
        assert ours["f1_macro"] == pytest.approx(theirs["macro avg"]["f1-score"])
        _, facts = _EVALUATOR.details(judged, [], given_rows, partial(_intervals))
        for kind in facts["types"]:
            if kind["entities"] + kind["said"]:
                assert kind["f1"][0] == pytest.approx(theirs[kind["type"]]["f1-score"])
                assert kind["entities"] == theirs[kind["type"]]["support"]


def _intervals(figures: Any, statistic: Any) -> Any:
    return sums_intervals(figures, statistic, Resampling(20, 0.95, 0))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("max_length", [64, 12])
def test_a_model_is_read_word_by_word_over_windows(family: str, max_length: int) -> None:
    model, objective = made(family, max_length)
    evaluator, encoder = objective.evaluator, objective.encoder
    assert evaluator is not None
    rows = [example for sample in ROWS for example in encoder(sample)]
    found = evaluator.predict(model, rows, ROWS, dtype=torch.float32)
    for sample, said, (total, count) in zip(ROWS, found.tags, found.losses_N2, strict=True):
        expected: list[str] = []
        for window in encoder.words.windows(sample.tokens)[0]:
            logits = model(torch.tensor([window.input_ids])).logits[0]
            expected += [TAGS[int(logits[start].argmax())] for start in window.starts]
        assert said == expected and count == len(sample.tokens) and total > 0
    batch = objective.collate(rows)
    assert found.losses_N2[:, 0].sum() == pytest.approx(objective.loss(model, batch).total.item(), rel=1e-5)


def test_the_baseline_gives_each_word_its_most_frequent_tag() -> None:
    _, objective = made()
    evaluator = objective.evaluator
    assert evaluator is not None
    unseen = samples("one/B-x empire/B-x two/O")
    rows = [example for sample in unseen for example in objective.encoder(sample)]
    baseline = evaluator.baseline(rows, unseen)
    # "two" is O twice and B-y once in training; "empire" never stood there; "one" is B-x once and O once.
    assert baseline.tags == [["B-x", "O", "O"]]
    counts = np.array([5, 2, 1, 2, 1]) + 1.0
    shares = counts / counts.sum()
    assert baseline.losses_N2.tolist() == [[pytest.approx(-np.log(shares[[1, 1, 0]]).sum()), 3.0]]
