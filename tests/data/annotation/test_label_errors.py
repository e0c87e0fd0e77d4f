"""Label errors: planted ones are found, rare labels are told, and the step leaves out what it says."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow
import pytest
from pydantic import ValidationError

from luthier.core.errors import DataError, MissingDependencyError
from luthier.data.annotation.label_error_step import LabelErrors, steps_of
from luthier.data.annotation.label_errors import Filter, Findings, find_label_errors
from luthier.data.operators.batch import batches_of_rows, batches_of_samples, leave_out
from luthier.data.sample import Sample
from luthier.recipe.data_sections.label_errors import LabelErrorsSection

pytest.importorskip("cleanlab", reason="the extra annotation is not installed")
ALL: Filter = "predicted_neq_given"
CENTRES = np.eye(8, dtype=np.float32)[:3]


def embed(texts: Sequence[str]) -> np.ndarray:
    """Place a text near the centre that its first character names, always at the same spot."""
    noise = [np.random.default_rng(abs(hash_of(text))).normal(0, 0.1, 8) for text in texts]
    vectors = np.array([CENTRES["红绿蓝".index(text[0])] for text in texts]) + np.array(noise)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode(), "big") % (1 << 60)


def planted(count: int = 240, wrong: int = 12) -> tuple[list[str], list[str], set[int]]:
    """Return texts, labels, and which labels are wrong."""
    texts = [f"{'红绿蓝'[row % 3]}{row}" for row in range(count)]
    labels = [text[0] for text in texts]
    rows = set(np.random.default_rng(5).choice(count, wrong, replace=False).tolist())
    for row in rows:
        labels[row] = {"红": "绿", "绿": "蓝", "蓝": "红"}[labels[row]]
    return texts, labels, rows


def test_planted_errors_are_found() -> None:
    texts, labels, wrong = planted()
    folds: list[int] = []
    found = find_label_errors(embed(texts), labels, filter_by=ALL, on_fold=folds.append)
    assert {suspect.index for suspect in found.suspects} == wrong
    estimated = {suspect.index for suspect in find_label_errors(embed(texts), labels).suspects}
    assert estimated <= wrong and len(estimated) >= 10  # cleanlab's own estimate of their number is careful
    assert folds == [1, 2, 3, 4, 5]
    assert found.num_judged == 240 and found.accuracy == pytest.approx(228 / 240)
    qualities = [suspect.quality for suspect in found.suspects]
    assert qualities == sorted(qualities)
    for suspect in found.suspects:
        assert suspect.suggestion == texts[suspect.index][0] != suspect.label == labels[suspect.index]
        assert suspect.suggestion_probability > suspect.label_probability


def test_the_seed_and_the_rule_matter() -> None:
    texts, labels, _ = planted()
    vectors = embed(texts)
    noisy = np.random.default_rng(0).normal(vectors, 0.35).astype(np.float32)
    first, again, other = (find_label_errors(noisy, labels, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    few, many = (
        len(find_label_errors(noisy, labels, filter_by=f).suspects) for f in ("both", "predicted_neq_given")
    )
    assert few < many


def test_rare_labels_are_told_not_judged() -> None:
    texts, labels, wrong = planted()
    rare = [f"红x{n}" for n in range(3)]
    found = find_label_errors(embed([*rare, *texts]), [*["紫"] * 3, *labels], filter_by=ALL)
    assert found.unjudged == {"紫": 3} and found.num_judged == 240
    assert {suspect.index - 3 for suspect in found.suspects} == wrong
    with pytest.raises(DataError, match="rows enough for 5 folds has 1 label"):
        find_label_errors(embed(texts[:12]), ["红"] * 9 + ["蓝"] * 3)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name=name.split(".")[0])

    monkeypatch.setattr(importlib, "import_module", absent)
    texts, labels, _ = planted(30, 0)
    with pytest.raises(MissingDependencyError, match=r"luthier\[annotation\]"):
        find_label_errors(embed(texts), labels)


def rows_with_labels() -> tuple[list[dict[str, Any]], set[int]]:
    texts, labels, wrong = planted()
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    extra = [{"text": "红 no label"}, {"text": "红 two", "label": ["红", "绿"]}]
    return extra + rows, {row + 3 for row in wrong}  # rows count from 1


@pytest.mark.parametrize("action", ["report", "drop"])
def test_the_step(action: Any) -> None:
    rows, wrong = rows_with_labels()
    told: list[tuple[Findings, Sequence[tuple[str, int]]]] = []
    step = LabelErrors(
        make_embed=lambda: embed,
        action=action,
        filter_by=ALL,
        on_found=lambda found, places: told.append((found, places)),
    )
    batches = list(batches_of_rows(enumerate(rows, 1), source="f.jsonl", fields=("text",), batch_rows=50))
    made = list(step(batches))
    assert [batch.num_rows for batch in made] == [batch.num_rows for batch in batches]
    table = pyarrow.Table.from_batches(made).to_pylist()
    out = {row["row"]: row for row in table if row["reason"]}
    assert set(out) == (wrong if action == "drop" else set())
    assert all(
        row["reason"] == "label_error" and "has probability 0." in row["detail"] for row in out.values()
    )
    ((findings, places),) = told
    assert {places[suspect.index] for suspect in findings.suspects} == {("f.jsonl", row) for row in wrong}


def test_rows_that_are_out_already_are_not_judged() -> None:
    rows, wrong = rows_with_labels()
    (batch,) = batches_of_rows(enumerate(rows, 1), source="f", fields=("text",), batch_rows=1000)
    gone = sorted(wrong)[0]
    batch = leave_out(
        batch, lambda texts: [("before", "") if n + 1 == gone else None for n in range(len(texts))]
    )
    (made,) = LabelErrors(make_embed=lambda: embed, action="drop", filter_by=ALL)([batch])
    reasons = dict(zip(made["row"].to_pylist(), made["reason"].to_pylist(), strict=True))
    assert reasons[gone] == "before"
    assert {row for row, reason in reasons.items() if reason == "label_error"} == wrong - {gone}


def test_samples_and_other_fields() -> None:
    texts, labels, wrong = planted()
    samples = [
        Sample("f", n, text=t, labels=(x,)) for n, (t, x) in enumerate(zip(texts, labels, strict=True), 1)
    ]
    section = LabelErrorsSection(action="drop", num_folds=4, base="some-encoder", filter_by=ALL)
    asked: list[str] = []
    (step,) = steps_of(section, lambda base: asked.append(base) or embed, seed=3)
    made = pyarrow.Table.from_batches(list(step(batches_of_samples(samples)))).to_pylist()
    assert {row["row"] - 1 for row in made if row["reason"]} == wrong
    assert asked == ["some-encoder"] and (step.num_folds, step.seed) == (4, 3)
    (other,) = steps_of(LabelErrorsSection(action="report", label_field="class"), lambda base: embed)
    with pytest.raises(DataError, match="single label in the field 'class'"):
        list(other(batches_of_samples(samples)))


def test_the_section_is_off_unless_asked_for() -> None:
    assert steps_of(LabelErrorsSection(), lambda base: embed) == []
    with pytest.raises(ValidationError, match="num_folds has no effect while action is off"):
        LabelErrorsSection(num_folds=3)
    with pytest.raises(ValidationError):
        LabelErrorsSection(action="report", num_folds=1)
