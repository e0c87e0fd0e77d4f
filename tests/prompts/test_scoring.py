"""Answers score as their metric says."""

from __future__ import annotations

import pytest

from luthier.prompts.answer import Answer
from luthier.prompts.prompt import Rendered
from luthier.prompts.rows import PromptRow
from luthier.prompts.scoring import METRICS, most_probable, score
from luthier.prompts.sections import ExtractSection

ROW = PromptRow("eval.jsonl", 1, {})


def _said(text: str) -> Answer:
    return Answer(text, "stop", (), (), 1, 1, 0.0)


@pytest.mark.parametrize(
    ("metric", "said", "references", "value"),
    [
        ("exact_match", "Paris.", ("paris",), 1.0),
        ("exact_match", "b", ("a", "b"), 1.0),
        ("exact_match", "ab", ("a", "b"), 0.0),
        ("rouge", "the cat sat", ("the cat", "a dog"), 0.8),  # precision 2/3, recall 1
        ("accuracy", "I think: Card arrival.", ("card arrival",), 1.0),
        ("accuracy", "card arrival or lost card", ("card arrival",), 0.0),
        ("accuracy", "something", ("card arrival",), 0.0),
    ],
)
def test_generated(metric: str, said: str, references: tuple[str, ...], value: float) -> None:
    question = Rendered(ROW, (), references, ("card arrival", "lost card"))
    assert score(question, _said(said), METRICS[metric], None).score == pytest.approx(value)


def test_answer_that_is_not_found_scores_nothing() -> None:
    question = Rendered(ROW, (), ("",))
    scored = score(question, _said("no number"), METRICS["exact_match"], ExtractSection(last_number=True))
    assert scored.answer is None and scored.score == 0.0


def test_choice_by_sum_token_and_byte() -> None:
    question = Rendered(ROW, (), ("bb bb",), ("a", "bb bb", "ccccccccc"))
    answer = Answer("", "stop", (-2.0, -3.0, -5.4), (1, 2, 3), 1, 6, 0.0)
    assert most_probable(question, answer, "sum") == "a"
    assert most_probable(question, answer, "token") == "bb bb"  # -2, -1.5, -1.8
    assert most_probable(question, answer, "byte") == "bb bb"  # -2, -0.6, -0.6: equal ones, the first
    assert score(question, answer, METRICS["choice_log_likelihood"], None, "token").score == 1.0
    assert score(question, answer, METRICS["choice_log_likelihood"], None, "sum").score == 0.0
