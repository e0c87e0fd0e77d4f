"""Prompts are measured on the same rows; answers are kept; what cannot be measured is refused before any question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.prompts.answer import Answer
from luthier.prompts.compare import compare
from luthier.prompts.finished import FinishedAnswers
from luthier.prompts.judge import Settings
from luthier.prompts.prompt import Prompt, Rendered
from luthier.prompts.report import render_report
from luthier.prompts.sections import PromptFile
from tests.prompts.making import prompt_of, rows_of

ROWS = rows_of(*({"q": f"question {n}", "a": f"{n % 3}"} for n in range(30)))
FAST = Settings(bootstrap_samples=200, permutations=1000)


class Parrot:
    """A model that answers rightly where the prompt says `please`, and counts what it is asked."""

    name = "parrot"
    identity = "parrot-1"
    measures_choices = True

    def __init__(self, fails_after: int | None = None) -> None:
        self.asked = 0
        self._fails_after = fails_after

    def num_tokens(self, rendered: Rendered, file: PromptFile) -> int:
        return len(rendered.text.split())

    def max_tokens(self, file: PromptFile) -> int:
        return 20

    def generate(self, rendered: Sequence[Rendered], file: PromptFile) -> Iterator[list[tuple[int, Answer]]]:
        for start in range(0, len(rendered), 4):
            if self._fails_after is not None and self.asked >= self._fails_after:
                raise KeyboardInterrupt
            batch = range(start, min(start + 4, len(rendered)))
            self.asked += len(batch)
            yield [(n, self._answer(rendered[n])) for n in batch]

    def choose(self, rendered: Sequence[Rendered], file: PromptFile) -> Iterator[list[tuple[int, Answer]]]:
        for number, question in enumerate(rendered):
            self.asked += 1
            right = [0.0 if choice in question.references else -1.0 for choice in question.choices]
            yield [(number, Answer("", "stop", tuple(right), (1,) * len(right), 5, len(right), 0.0))]

    def _answer(self, question: Rendered) -> Answer:
        knows = "please" in question.text or int(question.row.fields["a"]) == 0
        return Answer(question.references[0] if knows else "unknown", "stop", (), (), 7, 2, 0.1)


def _prompts(folder: Path, more: str = "") -> list[Prompt]:
    plain = prompt_of(f"template: '{{{{ q }}}}'\nanswer: '{{{{ a }}}}'\n{more}", ROWS, folder, "plain.yaml")
    polite = prompt_of(
        f"template: '{{{{ q }}}} please'\nanswer: '{{{{ a }}}}'\n{more}", ROWS, folder, "polite.yaml"
    )
    return [plain, polite]


def _compared(
    folder: Path, model: Parrot, metric: str = "exact_match", more: str = "", **how: Any
) -> dict[str, Any]:
    finished = FinishedAnswers(folder / "answers.jsonl")
    return compare(_prompts(folder, more), ROWS, model, metric, finished, FAST, **how)


def test_scores_verdict_and_rows_to_read(tmp_path: Path) -> None:
    content = _compared(tmp_path, Parrot())
    scores = {prompt["name"]: prompt["score"]["value"] for prompt in content["prompts"]}
    assert scores == {"plain": pytest.approx(1 / 3), "polite": 1.0}
    assert content["verdict"].startswith("polite is the best: Exact match 1.000. It is better than the other")
    assert content["prompts"][0]["prompt_tokens"] == 7 and content["prompts"][0]["total_tokens"] == 30 * 9
    first = content["rows_side_by_side"][0]
    assert first["row"] == "eval.jsonl, row 2" and [one["score"] for one in first["answers"]] == [0.0, 1.0]
    page = render_report(content)
    assert "polite is better than plain" in page and "question 0 please" in page and "<script" not in page


def test_an_answer_is_asked_for_once(tmp_path: Path) -> None:
    first, again = Parrot(), Parrot()
    one, two = _compared(tmp_path, first), _compared(tmp_path, again)
    assert (first.asked, again.asked) == (60, 0)
    assert [p["kept_answers"] for p in two["prompts"]] == [30, 30]
    assert one["pairs"] == two["pairs"]


def test_a_stopped_comparison_goes_on(tmp_path: Path) -> None:
    stopped = Parrot(fails_after=40)
    with pytest.raises(KeyboardInterrupt):
        _compared(tmp_path, stopped)
    with (tmp_path / "answers.jsonl").open("ab") as file:
        file.write(b'{"key": "half a li')  # as a kill leaves it
    rest = Parrot()
    content = _compared(tmp_path, rest)
    assert stopped.asked + rest.asked <= 64 and rest.asked < 60
    assert content["pairs"] == _compared(tmp_path / "fresh", Parrot())["pairs"]


@pytest.mark.parametrize("change", ["max_new_tokens: 5", "stop: ['.']"])
def test_another_way_of_asking_is_another_answer(tmp_path: Path, change: str) -> None:
    _compared(tmp_path, Parrot())
    again = Parrot()
    _compared(tmp_path, again, more=change)
    assert again.asked == 60


def test_another_model_is_another_answer(tmp_path: Path) -> None:
    _compared(tmp_path, Parrot())
    other = Parrot()
    other.identity = "parrot-2"  # type: ignore[misc]
    _compared(tmp_path, other)
    assert other.asked == 60


def test_choices_are_measured(tmp_path: Path) -> None:
    content = _compared(
        tmp_path, Parrot(), "choice_log_likelihood", "choices: ['0', '1', '2']", normalize="byte"
    )
    assert [p["score"]["value"] for p in content["prompts"]] == [1.0, 1.0]
    assert content["normalize"] == "byte"
    assert content["pairs"][0]["text"] == "plain and polite have the same score in every row."


def test_progress_counts_every_prompt(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    _compared(tmp_path, Parrot(), on_progress=lambda *at: told.append(at))
    assert told[0] == ("plain", 0, 30) and told[-1] == ("polite", 30, 30)


def test_answers_that_are_not_found_or_cut_are_told(tmp_path: Path) -> None:
    content = _compared(tmp_path, Parrot(), more="extract: {last_number: true}")
    assert any("plain: in 20 of 30 answers nothing was found" in notice for notice in content["notices"])
    assert [p["without_answer"] for p in content["prompts"]] == [20, 0]


def test_prompts_with_other_right_answers_are_told(tmp_path: Path) -> None:
    other = prompt_of("template: '{{ q }}'\nanswer: '{{ q }}'", ROWS, tmp_path, "other.yaml")
    finished = FinishedAnswers(tmp_path / "answers.jsonl")
    content = compare([_prompts(tmp_path)[0], other], ROWS, Parrot(), "exact_match", finished, FAST)
    assert "in 30 rows the prompts are measured against different right answers" in content["notices"][0]


@pytest.mark.parametrize(
    ("metric", "more", "told"),
    [
        ("accuracy", "", "needs the possible answers"),
        (
            "choice_log_likelihood",
            "choices: ['0', '1', '2']\nextract: {last_number: true}",
            "extract: has no effect",
        ),
        ("exact_match", "max_prompt_tokens: 1", "leave room for an answer"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_any_question(
    tmp_path: Path, metric: str, more: str, told: str
) -> None:
    model = Parrot()
    with pytest.raises(DataError, match=told):
        _compared(tmp_path, model, metric, more)
    assert model.asked == 0


def test_right_answers_are_needed(tmp_path: Path) -> None:
    prompt = prompt_of("template: '{{ q }}'", ROWS, tmp_path)
    with pytest.raises(DataError, match="answer is absent"):
        compare([prompt], ROWS, Parrot(), "rouge", FinishedAnswers(tmp_path / "a.jsonl"), FAST)
