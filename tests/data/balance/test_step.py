"""BalanceRows: every row is weighted, copied, kept or left out with its reason, and none is lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pydantic import ValidationError

from luthier.core.errors import DataError
from luthier.data.balance.classes import value_in_row
from luthier.data.balance.step import Balance, BalanceRows
from luthier.data.balance.steps import steps_of
from luthier.data.operators.batch import (
    batches_of_rows,
    batches_of_samples,
    rewrite_texts,
    rows_of,
    samples_of,
)
from luthier.data.sample import Message, Sample
from luthier.recipe.data_sections.balance import BalanceSection

LABELS = ["a"] * 60 + ["b"] * 30 + ["c"] * 10


def _samples() -> list[Sample]:
    return [
        Sample(
            "made.csv",
            number,
            text=f"text {number} 文",
            labels=(label,),
            group=str(number % 2),
            attributes={"topic": "x" if number % 3 else "y"} if number % 10 else {},
        )
        for number, label in enumerate(LABELS, start=1)
    ]


def _run(step: BalanceRows, batch_rows: int = 7) -> list[pyarrow.RecordBatch]:
    return list(step(batches_of_samples(_samples(), batch_rows=batch_rows)))


def _kept(batches: list[pyarrow.RecordBatch]) -> list[Sample]:
    return [sample for batch in batches for sample in samples_of(batch)]


def _sizes(batches: list[pyarrow.RecordBatch]) -> dict[Any, int]:
    return dict(Counter(sample.labels[0] for sample in _kept(batches) if sample.labels))


def test_weights_are_the_rows_own() -> None:
    kept = _kept(_run(BalanceRows(by=("label",))))
    assert [sample.row for sample in kept] == list(range(1, 101))
    weights = {sample.labels: sample.weight for sample in kept}
    assert weights == pytest.approx({("a",): 100 / 3 / 60, ("b",): 100 / 3 / 30, ("c",): 100 / 3 / 10})


def test_weights_multiply_those_that_rows_have() -> None:
    rows = [{"text": "a", "kind": "x", "weight": "3"}, {"text": "b", "kind": "x"}, {"text": "c", "kind": "y"}]
    batches = batches_of_rows(list(enumerate(rows, start=1)), ["text"], source="a.csv")
    upper = (rewrite_texts(b, "upper", lambda texts: [t.upper() for t in texts]) for b in batches)
    step = BalanceRows(by=("kind",), find=value_in_row)
    out = [row for batch in step(upper) for row in rows_of(batch)]
    assert [(row["text"], row["weight"]) for row in out] == [("A", 2.25), ("B", 0.75), ("C", 1.5)]


def test_oversampled_rows_are_copies() -> None:
    batches = _run(BalanceRows(by=("label",), method="oversample", max_ratio=2.0))
    assert _sizes(batches) == {"a": 60, "b": 30, "c": 30}
    assert {sample.text for sample in _kept(batches)} == {sample.text for sample in _samples()}
    assert _sizes(_run(BalanceRows(by=("label",), method="oversample", max_copies=2))) == {
        "a": 60,
        "b": 60,
        "c": 20,
    }


@pytest.mark.parametrize(
    ("step", "sizes", "reason"),
    [
        (BalanceRows(by=("label",), method="undersample"), {"a": 10, "b": 10, "c": 10}, "undersampled"),
        (
            BalanceRows(by=("label",), method="stratified", share=0.2),
            {"a": 12, "b": 6, "c": 2},
            "not_sampled",
        ),
        (
            BalanceRows(by=("label",), method="stratified", num_rows=10),
            {"a": 6, "b": 3, "c": 1},
            "not_sampled",
        ),
    ],
)
def test_rows_that_are_not_taken_have_a_reason(step: BalanceRows, sizes: dict[str, int], reason: str) -> None:
    batches = _run(step)
    assert _sizes(batches) == sizes
    reasons = [r for batch in batches for r in batch["reason"].to_pylist()]
    assert Counter(reasons) == {None: sum(sizes.values()), reason: 100 - sum(sizes.values())}
    assert [row for batch in batches for row in batch["row"].to_pylist()] == list(range(1, 101))


@pytest.mark.parametrize("method", ["weights", "oversample", "undersample", "stratified"])
def test_the_cut_into_batches_changes_nothing(method: Any) -> None:
    step = BalanceRows(by=("label", "group"), method=method, share=0.3, max_ratio=1.2, seed=3)
    small, large = (_kept(_run(step, rows)) for rows in (3, 1000))
    assert small == large
    other = _kept(_run(BalanceRows(by=("label", "group"), method=method, share=0.3, max_ratio=1.2, seed=4)))
    assert (other != large) == (method != "weights")


def test_rows_without_the_field_pass_and_are_counted() -> None:
    told: list[Balance] = []
    kept = _kept(_run(BalanceRows(by=("topic",), on_balance=told.append)))
    assert told[0].without == 10 and len(kept) == 100
    assert {sample.weight for sample in kept if not sample.attributes} == {1.0}
    assert sum(c.rows for c in told[0].classes) == 90


def test_rows_that_are_out_stay_out() -> None:
    batches = []
    for batch in batches_of_samples(_samples()):
        reasons = pyarrow.array(["bad"] * 60 + [None] * 40, pyarrow.string())
        batches.append(batch.set_column(batch.schema.get_field_index("reason"), "reason", reasons))
    out = list(BalanceRows(by=("label",))(batches))
    assert {sample.labels: sample.weight for sample in _kept(out)} == pytest.approx(
        {("b",): 40 / 2 / 30, ("c",): 40 / 2 / 10}
    )
    assert (
        out[0]["reason"].to_pylist()[:60] == ["bad"] * 60 and out[0]["edited"].to_pylist()[:60] == [None] * 60
    )


def test_a_field_that_no_row_has_is_named() -> None:
    with pytest.raises(DataError, match="'age', which balance.by names") as caught:
        _run(BalanceRows(by=("label", "age")))
    assert "attributes" in str(caught.value.cure)
    chat = Sample("a.json", 1, messages=(Message("user", "a"), Message("assistant", "b")))
    with pytest.raises(DataError, match="'label'"):
        list(BalanceRows(by=("label",))(batches_of_samples([chat])))
    rows = [(1, {"text": "a", "kind": "x"})]
    with pytest.raises(DataError, match="'topic'") as caught:
        list(BalanceRows(by=("topic",), find=value_in_row)(batches_of_rows(rows, ["text"], source="a.csv")))
    assert caught.value.cure == "its fields are kind, text"


def test_one_class_is_nothing_to_balance() -> None:
    with pytest.raises(DataError, match="nothing to balance"):
        _run(BalanceRows(by=("source",)))


class TestSection:
    def test_nothing_by_default(self) -> None:
        assert steps_of(BalanceSection(), seed=0) == []

    def test_every_key_reaches_the_step(self) -> None:
        section = BalanceSection.model_validate(
            {"by": ["label", "group"], "weighting": "effective_number", "beta": 0.9, "max_weight": 5.0}
        )
        (step,) = steps_of(section, seed=7)
        assert (step.by, step.weighting, step.beta, step.max_weight, step.seed) == (
            ("label", "group"), "effective_number", 0.9, 5.0, 7,
        )  # fmt: skip
        (step,) = steps_of(
            BalanceSection.model_validate(
                {"by": "label", "method": "oversample", "max_ratio": 2.0, "max_copies": 3}
            ),
            seed=0,
        )
        assert (step.by, step.method, step.max_ratio, step.max_copies) == (("label",), "oversample", 2.0, 3)
        for given, found in ({"share": 0.5}, (0.5, None)), ({"rows": 9}, (None, 9)):
            section = BalanceSection.model_validate({"by": "label", "method": "stratified", **given})
            (step,) = steps_of(section, seed=0)
            assert (step.share, step.num_rows) == found

    @pytest.mark.parametrize(
        ("written", "said"),
        [
            ({"method": "weights"}, "without by"),
            ({"by": []}, "no field"),
            ({"by": ["label", "label"]}, "one twice"),
            ({"by": "label", "max_ratio": 2.0}, "max_ratio has no effect with method weights"),
            ({"by": "label", "method": "undersample", "weighting": "balanced"}, "weighting has no effect"),
            ({"by": "label", "method": "undersample", "max_copies": 2}, "max_copies has no effect"),
            ({"by": "label", "beta": 0.9}, "beta has no effect"),
            ({"by": "label", "weighting": "independent"}, "two fields"),
            ({"by": "label", "method": "stratified"}, "share or rows"),
            ({"by": "label", "method": "stratified", "share": 0.5, "rows": 3}, "share or rows"),
        ],
    )
    def test_what_takes_no_effect_is_refused(self, written: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            BalanceSection.model_validate(written)


def test_reweighing_makes_label_and_topic_independent(shared_data: Path) -> None:
    """On COLDataset: the weighted table of label and topic is the product of its margins."""
    from luthier.data.operators.files import open_batches

    path = shared_data / "classification" / "coldataset_zh_dev.csv"
    step = BalanceRows(by=("label", "topic"), weighting="independent", find=value_in_row)
    table: Counter[tuple[str, str]] = Counter()
    for batch in step(open_batches(path, ["TEXT"])):
        for edited in batch["edited"].to_pylist():
            row = json.loads(edited)
            table[row["label"], row["topic"]] += row["weight"]
    total = sum(table.values())
    for label, topic in table:
        of_label = sum(v for (one, _), v in table.items() if one == label)
        of_topic = sum(v for (_, two), v in table.items() if two == topic)
        assert table[label, topic] == pytest.approx(of_label * of_topic / total)
