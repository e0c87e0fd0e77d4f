"""Raters' errors over time, audits, and the queue of disputed rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.data.annotation.audit import CHECKED_FIELD, audit_result, draw_sample, sample_row
from luthier.data.annotation.disputed import disputes
from luthier.data.annotation.items import Gold, Item, Rating
from luthier.data.annotation.labelled import LabelledRow
from luthier.data.annotation.raters import rater_records
from luthier.data.annotation.rates import sample_size, wilson_interval
from luthier.data.sinks import writing


@pytest.mark.parametrize(
    ("population", "expected"),
    [(500, 217), (1_000, 278), (10_000, 370), (100_000, 383), (1_000_000, 384), (10, 10)],
)
def test_sample_size_is_that_of_the_table(population: int, expected: int) -> None:
    # Krejcie and Morgan (1970), Determining sample size for research activities: table for 5 % at 95 %, P = 0.5.
    # They round to the nearest number, we up.
    assert sample_size(population, margin=0.05) - expected in (0, 1)


def test_wilson_interval_is_the_published_one() -> None:
    # Newcombe (1998), Two-sided confidence intervals for the single proportion, table I, method 3.
    for events, total, interval in [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ]:
        assert wilson_interval(events, total) == pytest.approx(interval, abs=5e-5)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_error_rates_over_time() -> None:
    days = [
        "2026-11-01",
        "2026-11-02",
        "2026-11-08",
        "2026-11-09",
        "2026-12-01",
    ]  # Sunday, Monday, Sunday, Monday, …
    said = {"ann": "aaaaa", "bea": "abbba"}
    items = [
        Item(
            id=str(row),
            data={},
            ratings=tuple(
                Rating(name, labels[row], f"{day}T23:59:59.000000+00:00", seconds=row + 1.0)
                for name, labels in said.items()
            ),
            gold=Gold("a") if row != 3 else None,
        )
        for row, day in enumerate(days)
    ]
    items.append(Item("skipped", {}, (Rating("bea", None),), gold=Gold("a")))
    bea, ann = rater_records(items)
    assert (bea.rater, bea.num_ratings, bea.num_skipped, bea.median_seconds) == ("bea", 5, 1, 3.0)
    assert (bea.gold.errors, bea.gold.total, bea.gold.rate) == (2, 4, 0.5)
    assert (bea.gold.low, bea.gold.high) == wilson_interval(2, 4)
    assert bea.mistakes == (("a", "b", 2),)
    weeks = [(day, rate.errors, rate.total) for day, rate in bea.periods]
    assert weeks == [(date(2026, 10, 26), 0, 1), (date(2026, 11, 2), 2, 2), (date(2026, 11, 30), 0, 1)]
    assert [(d, r.total) for d, r in rater_records(items, per="month")[0].periods] == [
        (date(2026, 11, 1), 3),
        (date(2026, 12, 1), 1),
    ]
    assert len(rater_records(items, per="day")[0].periods) == 4
    assert (ann.gold.errors, ann.mistakes) == (0, ())
    assert rater_records([replace(item, gold=None) for item in items])[0].gold.rate is None


def test_disputed_rows_come_by_entropy(make_items: Callable[..., list[Item]]) -> None:
    items = make_items(gold="     a", a="aabaab", b="abcabb", c="abb  a", d="aaa  b")
    items.append(replace(make_items(a="a", b="b")[0], id="settled", corrected="a"))
    found = disputes(items, "abc")
    assert [d.item.id for d in found] == ["r2", "r1", "r4"]  # of equal ones the one with more ratings first
    # Half, quarter, quarter: 1.5 bits; half and half: 1 bit (textbook values).
    assert [d.entropy for d in found] == [1.5, 1.0, 1.0]
    assert found[0].votes == {"b": 2, "a": 1, "c": 1}
    assert [d.item.id for d in disputes(items, "abc", min_entropy=1.0)] == ["r2"]


def rows(count: int) -> list[LabelledRow]:
    return [LabelledRow(str(n), f"文本 {n}", "a" if n % 10 else "b") for n in range(count)]


def test_the_sample_is_seeded_and_every_row_has_the_same_chance() -> None:
    labelled = rows(300)
    first, again, other = (draw_sample(labelled, margin=0.05, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == sample_size(300, margin=0.05, expected_rate=0.05) < 100
    assert len(draw_sample(labelled, margin=0.05, expected_rate=0.5)) > len(first)
    assert len(draw_sample(labelled, margin=0.02)) > len(first)
    assert len(draw_sample(labelled, margin=0.05, confidence=0.8)) < len(first)
    chosen = np.zeros(300)
    for seed in range(600):
        for row in draw_sample(labelled, margin=0.05, seed=seed):
            chosen[int(row.id)] += 1
    expected = len(first) / 300 * 600
    assert abs(chosen[:150].sum() - chosen[150:].sum()) < 0.03 * chosen.sum()
    assert expected * 0.6 < chosen.min() and chosen.max() < expected * 1.4


def test_a_checked_sample(tmp_path: Path) -> None:
    path = tmp_path / "checked.csv"
    with writing(path) as write:
        for row in rows(100):
            right = "" if int(row.id) >= 90 else "b" if int(row.id) == 7 else row.label
            write(sample_row(row) | {CHECKED_FIELD: right})
    result = audit_result(path, labels=("a", "b"))
    assert (result.num_checked, result.num_unchecked, result.num_errors) == (90, 10, 1)
    assert result.errors == (("7", "a", "b"),)
    assert (result.low, result.high) == wilson_interval(1, 90)
    with pytest.raises(DataError, match=r"row 1: 'b' is not a label"):
        audit_result(path, labels=("a", "c"))
    path.write_text("id,label\n1,a\n")
    with pytest.raises(DataError, match="'correct_label' is missing"):
        audit_result(path)
