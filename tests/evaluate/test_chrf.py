"""chrF of sums over rows equals sacrebleu's of the corpus, in every script."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from luthier.evaluate.chrf import chrf_figures, chrf_of_sums, corpus_chrf

PAIRS = st.lists(
    st.tuples(st.text(alphabet="abc 的好", max_size=14), st.text(alphabet="abc 的好", max_size=14)),
    min_size=1,
    max_size=5,
)


@given(PAIRS)
def test_equals_sacrebleu(pairs: list[tuple[str, str]]) -> None:
    answers, references = [a for a, _ in pairs], [r for _, r in pairs]
    ours = float(chrf_of_sums(chrf_figures(answers, references).sum(axis=0)))
    assert ours == pytest.approx(CHRF().corpus_score(answers, [references]).score, abs=1e-9)


def test_published_value_of_sacrebleu() -> None:
    # sacrebleu's test_chrf.py, `a b c` against itself with effective order: 100.
    assert corpus_chrf(["a b c"], ["a b c"]).value == 100.0
    assert "nc:6|nw:0|space:no" in corpus_chrf(["a"], ["a"]).signature


def test_resamples_at_once() -> None:
    figures = chrf_figures(["the cat", "狗跑了"], ["the cat sat", "狗在跑"])
    assert chrf_of_sums(np.stack([figures.sum(axis=0), figures[0] * 0])).shape == (2,)
    assert chrf_of_sums(figures[0] * 0) == 0.0
