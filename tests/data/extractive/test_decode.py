"""Answers from scores: the best of all spans, blanks left out, no answer by its threshold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.extractive.decode import best_threshold, read_spans
from luthier.data.extractive.windows import PairTokenizer, Window
from tests.data.tagging.tokenizers_of_words import bert, byte_level

CONTEXT = "Empire states, unbelievable: one two. It one two unbelievable empire."
WINDOWS = PairTokenizer(bert(), max_length=16, doc_stride=4)("one state", CONTEXT)


def scores_of(seed: int, windows: list[Window]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    generator = np.random.default_rng(seed)
    pairs = [generator.normal(size=(2, len(window.input_ids))) for window in windows]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 40))
def test_spans_are_the_best_of_all(seed: int, n_best_size: int, max_answer_length: int) -> None:
    """Reference: every span of every window, one by one."""
    starts, ends = scores_of(seed, WINDOWS)
    every: dict[tuple[int, int], float] = {}
    for window, start_T, end_T in zip(WINDOWS, starts, ends, strict=True):
        places = range(len(window.offsets))
        for s, e in itertools.product(places, places):
            if s <= e < s + max_answer_length:
                key = (window.offsets[s][0], window.offsets[e][1])
                score = start_T[window.first_token + s] + end_T[window.first_token + e]
                every[key] = max(score, every.get(key, -np.inf))
    spans = read_spans(CONTEXT, WINDOWS, starts, ends, n_best_size=n_best_size,
                       max_answer_length=max_answer_length, may_be_none=False)  # fmt: skip
    best = sorted(every.values(), reverse=True)[:n_best_size]
    # Windows share spans, so fewer may be left than asked for; the best come whole.
    assert [c.score for c in spans.candidates] == pytest.approx(best[: len(spans.candidates)])
    assert len(spans.candidates) >= min(len(best), -(-n_best_size // len(WINDOWS)))
    assert all(CONTEXT.startswith(c.text, c.start) for c in spans.candidates)
    assert sum(c.probability for c in spans.candidates) == pytest.approx(1.0)
    assert spans.null_score == pytest.approx(min(s[0] + e[0] for s, e in zip(starts, ends, strict=True)))


def test_no_answer_takes_its_share_and_its_threshold() -> None:
    starts, ends = scores_of(1, WINDOWS)
    spans = read_spans(CONTEXT, WINDOWS, starts, ends, n_best_size=3, max_answer_length=5, may_be_none=True)
    best = spans.candidates[0]
    assert sum(c.probability for c in spans.candidates) < 1.0
    assert spans.null_margin == pytest.approx(spans.null_score - best.score)
    assert spans.answer(None) == spans.answer(spans.null_margin + 0.1) == best.text
    assert spans.answer(spans.null_margin - 0.1) == ""


def test_blanks_that_tokens_take_along_are_left_out() -> None:
    context = "The quick brown fox."
    (window,) = PairTokenizer(byte_level(), max_length=99, doc_stride=0)("What?", context)
    places = {context[a:b]: window.first_token + n for n, (a, b) in enumerate(window.offsets)}
    starts, ends = np.full((2, len(window.input_ids)), -9.0)
    word = next(text for text in places if text.strip() == "brown")
    starts[places[word]] = ends[places[word]] = 9.0
    spans = read_spans(
        context, [window], [starts], [ends], n_best_size=2, max_answer_length=5, may_be_none=False
    )
    assert spans.candidates[0].text == "brown" and spans.candidates[0].start == context.index("brown")


@given(st.lists(st.tuples(st.integers(-3, 3), st.floats(0, 1), st.booleans()), min_size=1, max_size=9))
def test_threshold_is_the_best_that_there_is(rows: list[tuple[int, float, bool]]) -> None:
    """Reference: every threshold between, below and above the margins, one by one."""
    margins, scores, has_answer = zip(*rows, strict=True)

    def total(threshold: float) -> float:
        given_up = [margin > threshold for margin in margins]
        return sum(
            (float(not has) if up else score * has)
            for up, score, has in zip(given_up, scores, has_answer, strict=True)
        )

    found = best_threshold(margins, scores, has_answer)
    assert total(found) == pytest.approx(max(total(at + 0.5) for at in range(-5, 5)))
