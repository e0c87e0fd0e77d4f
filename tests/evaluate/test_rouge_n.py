"""ROUGE-1 and ROUGE-2 are those of Google's rouge-score in English, and read Chinese by characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from luthier.evaluate.rouge_n import rouge_n, rouge_n_figures

WORDS = ["one", "two", "three", "One,", "two.", "a-b", "it's", "42"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)


@settings(max_examples=60)
@given(TEXTS, TEXTS, st.sampled_from([1, 2]))
def test_equals_googles(answer: str, reference: str, n: int) -> None:
    theirs = RougeScorer([f"rouge{n}"], use_stemmer=False).score(reference, answer)[f"rouge{n}"].fmeasure
    assert rouge_n(answer, reference, n) == pytest.approx(theirs)


def test_chinese_is_compared_by_characters() -> None:
    # By hand: 今天天气很好 and 今天的天气好 share 5 of 6 characters, and of 5 pairs 今天 and 天气.
    assert rouge_n("今天天气很好", "今天的天气好", 1) == pytest.approx(5 / 6)
    assert rouge_n("今天天气很好", "今天的天气好", 2) == pytest.approx(2 / 5)


def test_rows_are_averaged() -> None:
    figures = rouge_n_figures(["a b", "", "c"], ["a b", "x", "d e"], 2)
    assert figures.tolist() == [[1.0, 1.0], [0.0, 1.0], [0.0, 1.0]]
