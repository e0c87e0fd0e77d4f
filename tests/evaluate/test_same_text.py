"""Losses of two tokenizers' rows are told text by text, and each text keeps the place that says what it shares."""

from __future__ import annotations

import numpy as np
import pytest

from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.evaluate.clusters import clusters_of
from luthier.evaluate.loss import RowLosses
from luthier.evaluate.metrics import compare_losses
from luthier.evaluate.same_text import same_text
from luthier.evaluate.statistics import Resampling


class Letters:
    """A token is so many letters."""

    def __init__(self, width: int) -> None:
        self._width = width

    def decode(self, tokens: np.ndarray, *, skip_special_tokens: bool) -> str:
        return "a" * (self._width * len(tokens))


def _row(number: int, size: int) -> Example:
    tokens = np.arange(size + 1, dtype=np.int32)
    return Example(input_ids=tokens, labels=tokens, source="a.jsonl", row=number)


def test_a_text_in_several_blocks_is_one_draw_on_both_sides() -> None:
    base_rows = [_row(1, 8), _row(1, 4), _row(2, 6), _row(3, 6)]  # the first text in two blocks
    tuned_rows = [_row(1, 6), _row(2, 3), _row(3, 3)]
    samples = [
        Sample("a.jsonl", number, text="x", group="same" if number > 1 else None) for number in (1, 2, 3)
    ]
    base = RowLosses(np.array([8.0, 4.0, 6.0, 6.0]), np.array([8, 4, 6, 6]))
    tuned = RowLosses(np.array([3.0, 1.5, 1.5]), np.array([6, 3, 3]))
    same = same_text(base, base_rows, Letters(1), tuned, tuned_rows, Letters(2))
    assert [text.row for text in same.texts] == [1, 2, 3]
    clusters = clusters_of(same.texts, samples)
    assert clusters == ["a.jsonl, row 1", "same", "same"]
    loss, _ = compare_losses(same.base, same.tuned, Resampling(50, 0.95, 0), clusters)
    assert (loss.num_rows, loss.num_clusters) == (3, 2)
    assert loss.base is not None
    assert (loss.base.value, loss.tuned.value) == pytest.approx((24 / 12, 0.5))
