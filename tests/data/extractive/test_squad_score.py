"""Scores of answers: the published values of SQuAD's scripts, and Chinese by characters as MLQA's script."""

from __future__ import annotations

import pytest

from luthier.data.extractive.squad_score import exact_match, f1, words_of_answer


def test_published_example_of_the_squad_metric() -> None:
    """Two of three right: 66.67 both (card of Hugging Face's `squad` metric, which wraps the official script)."""
    rows = [("1976", "1976"), ("Beyonce", "Beyoncé and Bruno Mars"), ("climate change", "climate change")]
    for score in (exact_match, f1):
        assert 100 * sum(score(answer, [wanted]) for answer, wanted in rows) / 3 == pytest.approx(
            66.66666666666667
        )


@pytest.mark.parametrize(
    ("answer", "references", "exact", "overlap"),
    [
        # Worked by hand from the rules of the official script: case, blanks and punctuation do not count.
        ("   Rock    n  Roll.", ["rock n roll"], 1.0, 1.0),
        # One of one word right, one of three found: 2 · 1 · ⅓ / (1 + ⅓).
        ("rock", ["rock n roll"], 0.0, 0.5),
        # Articles do not count, and neither do hyphens between words, which grow together.
        ("the Denver Broncos", ["Denver Broncos!"], 1.0, 1.0),
        ("24–10", ["24-10"], 0.0, 0.0),
        # The best of the references decides.
        ("Santa Clara", ["Levi's Stadium", "Santa Clara, California"], 0.0, 0.8),
        # Repeated words count as often as both have them: 1 shared of 3 given and 2 wanted.
        ("no no no", ["no way"], 0.0, 0.4),
    ],
)
def test_scores(answer: str, references: list[str], exact: float, overlap: float) -> None:
    assert exact_match(answer, references) == exact
    assert f1(answer, references) == pytest.approx(overlap)


def test_no_answer_is_right_where_there_is_none() -> None:
    """SQuAD 2.0: no answer against no answer is 1, anything against no answer is 0."""
    assert exact_match("", []) == f1("", []) == 1.0
    assert exact_match("rock", []) == f1("rock", []) == 0.0
    assert exact_match("", ["rock"]) == f1("", ["rock"]) == 0.0


def test_chinese_counts_characters() -> None:
    """Characters are the words: 4 of 4 given stand among 6 wanted, so F1 is 0.8; a full stop does not count."""
    assert words_of_answer("《战国无双3》，共27位。", is_chinese=True) == [
        "战",
        "国",
        "无",
        "双",
        "3",
        "共",
        "27",
        "位",
    ]
    assert f1("北京大学", ["位于北京大学"]) == pytest.approx(0.8)
    assert exact_match("光荣和ω-force。", ["光荣和ω-force"]) == 1.0
    assert f1("海淀", ["朝阳"]) == 0.0


def test_english_keeps_punctuation_that_squads_script_keeps() -> None:
    assert exact_match("“rock”", ["rock"]) == 0.0
    assert exact_match("“摇滚”", ["摇滚"]) == 1.0
