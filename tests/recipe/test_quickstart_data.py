"""The quick-start rows: well formed, no question twice, and held-out wordings of facts that are trained."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from luthier.data.read import read_source
from luthier.data.sample import Sample
from luthier.data.sources import read_rows
from luthier.recipe.source_section import Source

FOLDER = Path(str(files("luthier.recipe"))) / "shipped" / "quickstart"
NAMES = ("train", "eval")
SHOWN_QUESTION = "What does Luthier do when a gate fails?"
SHOWN_ANSWER = (
    "When a gate fails, Luthier writes the report, does not register the model and exits with code 3."
)


def _folded(question: str) -> str:
    """Return the words alone: case and punctuation do not make a wording new."""
    return " ".join(re.findall(r"\w+", question.casefold()))


def _pairs(name: str) -> list[tuple[str, str]]:
    rows = [row for _, row in read_rows(FOLDER / f"{name}.jsonl")]
    return [(row["messages"][0]["content"], row["messages"][1]["content"]) for row in rows]


def _questions(name: str) -> list[str]:
    return [_folded(question) for question, _ in _pairs(name)]


def test_number_of_rows() -> None:
    assert 200 <= len(_pairs("train")) <= 220
    assert len(_pairs("eval")) == 50


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_one_question_and_one_answer(name: str) -> None:
    for number, row in read_rows(FOLDER / f"{name}.jsonl"):
        assert row.keys() == {"messages"}, number
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"], number
        for message in row["messages"]:
            assert message.keys() == {"role", "content"}, number
            assert message["content"] and message["content"] == message["content"].strip(), number


@pytest.mark.parametrize("name", NAMES)
def test_luthier_reads_every_row_as_a_conversation(name: str) -> None:
    source = Source.model_validate({"path": f"{name}.jsonl"})
    results = list(read_source(source, FOLDER))
    assert [result for result in results if not isinstance(result, Sample)] == []
    assert len(results) == len(_pairs(name))


@pytest.mark.parametrize("name", NAMES)
def test_no_question_is_asked_twice(name: str) -> None:
    assert [question for question, count in Counter(_questions(name)).items() if count > 1] == []


def test_no_question_is_on_both_sides() -> None:
    assert set(_questions("train")) & set(_questions("eval")) == set()


def test_answers_are_one_or_two_sentences_of_15_to_45_words() -> None:
    for _, answer in [*_pairs("train"), *_pairs("eval")]:
        assert 15 <= len(answer.split()) <= 45, answer
        assert len(re.findall(r"[.!?](?=\s|$)", answer)) in (1, 2), answer


def test_every_held_out_fact_is_trained_in_several_wordings() -> None:
    trained = Counter(answer for _, answer in _pairs("train"))
    assert {answer: trained[answer] for _, answer in _pairs("eval") if trained[answer] < 3} == {}


def test_the_question_of_the_quick_start_is_answered_but_never_trained_in_its_wording() -> None:
    assert (SHOWN_QUESTION, SHOWN_ANSWER) in _pairs("eval")
    assert _folded(SHOWN_QUESTION) not in _questions("train")
