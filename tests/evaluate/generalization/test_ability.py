"""General texts: they are read, pooled by text, and a loss that grew is found with its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from luthier.core.errors import DataError
from luthier.evaluate.generalization.ability import general_rows, lost, pooled
from luthier.evaluate.measured import ratio
from luthier.evaluate.statistics import Resampling, Values
from luthier.objectives.contract import Measure
from tests.models.tiny_chat import make_chat_tokenizer

HOW = Resampling(300, 0.95, 0)


def measure(nats: list[float] | Values, tokens: float = 1.0) -> Measure:
    figures = np.stack([np.asarray(nats, dtype=float), np.full(len(nats), tokens)], axis=1)
    return Measure("eval_loss", "Loss", figures, ratio, lower_is_better=True)


@pytest.mark.parametrize("text", ["english", "chinese"])
def test_shipped_texts_are_twenty_different_documents(text: str) -> None:
    rows = general_rows(text, Path(), make_chat_tokenizer(), 64, 500)
    assert {row.row for row in rows} == set(range(1, 21))
    assert all(len(row.input_ids) <= 64 for row in rows)
    assert len({row.input_ids.tobytes() for row in rows}) == len(rows)


def test_documents_are_chosen_by_number_and_a_file_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("The red fox.\n\nThe blue dog.\n\nThe cat.\n", encoding="utf-8")
    found = general_rows("own.txt", tmp_path, make_chat_tokenizer(), 64, 500)
    assert found
    assert len({row.row for row in general_rows("english", Path(), make_chat_tokenizer(), 64, 5)}) == 5


def test_a_file_without_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text('{"text": ""}\n', encoding="utf-8")
    with pytest.raises(DataError):
        general_rows("own.jsonl", tmp_path, make_chat_tokenizer(), 64, 500)


def test_growth_is_relative_to_the_base_and_its_interval_is_paired() -> None:
    base = np.linspace(1.0, 4.0, 20)
    grown = lost(measure(base), measure(base * 1.2), HOW)
    assert grown is not None
    # Each document lost the same share, however unlike they are: nothing is unsure.
    assert (grown.value, grown.low, grown.high) == pytest.approx((0.2, 0.2, 0.2))
    better = lost(measure(base), measure(base * 0.9), HOW)
    assert better is not None and better.high < 0


def test_texts_count_alike_whatever_their_length() -> None:
    both = pooled([measure([200.0, 200.0], 100.0), measure([4.0, 4.0], 1.0)])
    assert float(both.statistic(both.figures_NK.sum(axis=0))) == pytest.approx((2.0 + 4.0) / 2)
