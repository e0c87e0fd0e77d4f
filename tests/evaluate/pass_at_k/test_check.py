"""A model whose answers are known has the figures that they are worth; rows are checked; a run and a gate use them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError, GateFailedError
from luthier.core.files import read_json
from luthier.evaluate.examination import Examined, Subject
from luthier.evaluate.pass_at_k import code
from luthier.evaluate.pass_at_k.check import PassAtK
from luthier.evaluate.pass_at_k.problems import Problem
from luthier.evaluate.pass_at_k.sandbox import Limits
from luthier.models.chat_model import ChatModel, Piece
from luthier.pipeline.run import make_plan, run
from luthier.recipe.evaluate_sections.pass_at_k import PassAtKSection
from luthier.recipe.load import load
from tests.evaluate.memorization.subjects import chat_subject, question, text_subject
from tests.tiny_job import write_recipe

Patch = pytest.MonkeyPatch
PYTHON: dict[str, Any] = {
    "check": "python",
    "allow_code_execution": True,
    "timeout_seconds": 2,
    "rows": "rows.jsonl",
}


@pytest.fixture(scope="module")
def subject() -> Subject:
    return chat_subject([question(1, "yes")], [question(n, f"It is {n}.") for n in range(1, 5)], steps=1)


def answering(patch: Patch, *sides: Sequence[Sequence[str]]) -> None:
    """Let the model, then its base, give the same answers, one list a prompt."""
    left = list(sides)

    def samples(self: ChatModel, prompts: Any, sampling: Any, count: int, **others: Any) -> list[list[Piece]]:
        side = left.pop(0)
        assert [len(own) for own in side] == [count] * len(prompts)
        others["on_progress"](len(prompts))
        return [[Piece(text, 1, "stop") for text in own] for own in side]

    patch.setattr(ChatModel, "samples", samples)


def examined(subject: Subject, folder: Path | None = None, **keys: Any) -> Examined:
    return PassAtK(PassAtKSection(**keys)).examine(replace(subject, recipe_folder=folder or Path()))


def write(folder: Path, *rows: Any) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_known_answers_have_known_figures(subject: Subject, monkeypatch: Patch) -> None:
    """Of 4 answers 0, 1, 2 and 4 are right: pass@1 = 7/16, pass@2 = (0 + 1/2 + 5/6 + 1) / 4 by hand."""
    own = {n: f"it is {n}" for n in range(1, 5)}
    asked = [int(place) for place in (1, 2, 3, 4)]
    right = {1: 0, 2: 1, 3: 2, 4: 4}

    def samples(self: ChatModel, prompts: Any, sampling: Any, count: int, **others: Any) -> list[list[Piece]]:
        texts = [self.tokenizer.decode(prompt) for prompt in prompts]
        found = []
        for text in texts:
            n = next(n for n in asked if f"What is {n}?" in text)
            told = [own[n]] * right[n] + ["no"] * (count - right[n])
            found.append([Piece(each, 1, "stop") for each in (told if is_tuned[0] else ["no"] * count)])
        is_tuned[0] = False
        return found

    is_tuned = [True]
    monkeypatch.setattr(ChatModel, "samples", samples)
    found = examined(subject, k=[1, 2], samples=4, max_new_tokens=8)
    one, two = found.figures
    assert [one.name, two.name] == ["pass_at_k.1", "pass_at_k.2"] and one.num_rows == 4
    assert one.value is not None and two.value is not None and one.base is not None
    assert one.value.value == pytest.approx(7 / 16)
    assert two.value.value == pytest.approx((1 / 2 + 5 / 6 + 1) / 4)
    assert one.value.low < 7 / 16 < one.value.high
    assert one.base.value == 0.0 and one.base.high > 0.1 and one.improvement is None
    assert [row[5:] for row in found.tables[0].rows] == [
        [f"{count} of 4", "0 of 4"] for count in (0, 1, 2, 4)
    ]


def test_a_model_that_got_worse_is_told(subject: Subject, monkeypatch: Patch, tmp_path: Path) -> None:
    rows = [{"prompt": f"Say {n}", "reference": str(n)} for n in range(12)]
    answering(monkeypatch, [["no", "no"]] * 12, [[str(n), "no"] for n in range(12)])
    found = examined(
        subject, write(tmp_path, *rows), check="number", rows="rows.jsonl", k=[1], samples=2, max_new_tokens=8
    )
    assert found.findings[0].is_bad and "fewer answers right" in found.findings[0].text
    (figure,) = found.figures
    assert figure.improvement is not None and figure.improvement.high < 0


def test_a_base_without_the_tokens_of_the_prompts_is_told(
    subject: Subject, monkeypatch: Patch, tmp_path: Path
) -> None:
    write(tmp_path, {"prompt": "Say 1", "reference": "1"})
    keys: dict[str, Any] = {
        "check": "number",
        "rows": "rows.jsonl",
        "k": [1],
        "samples": 1,
        "max_new_tokens": 8,
    }
    answering(monkeypatch, [["1"]], [["1"]])
    asked = examined(subject, tmp_path, **keys)
    assert asked.figures[0].base is not None and not any(
        "base was not" in each.text for each in asked.findings
    )
    monkeypatch.setattr(ChatModel, "vocabulary_size", 3)
    answering(monkeypatch, [["1"]])
    found = examined(subject, tmp_path, **keys)
    (finding,) = [each for each in found.findings if "base was not asked" in each.text]
    assert finding.is_bad and "embeddings of 3 tokens" in finding.evidence and found.figures[0].base is None


def test_programs_run_on_the_cores_that_this_process_may_use(monkeypatch: Patch) -> None:
    started: list[int] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers: int) -> None:
            started.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(code, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5}, raising=False)
    problem = Problem("row 1", "Say", [], "", "assert x == 1")
    (outcome,) = code.run_all([(problem, "x = 1")], Limits(2), lambda done: None)
    assert outcome.is_passed and started == [1]


def test_rows_that_cannot_be_checked_are_left_out_and_told(
    subject: Subject, monkeypatch: Patch, tmp_path: Path
) -> None:
    write(tmp_path, {"q": "1 + 1?", "a": "<<1+1=2>>\n#### 2"}, {"q": "Who?", "a": "nobody"})
    answering(monkeypatch, [["so 2"]], [["so 3"]])
    keys: dict[str, Any] = {
        "check": "number",
        "rows": "rows.jsonl",
        "columns": {"prompt": "q", "reference": "a"},
    }
    keys |= {"k": [1], "samples": 1, "max_new_tokens": 8}
    found = examined(subject, tmp_path, **keys)
    (figure,) = found.figures
    assert figure.num_rows == 1 and figure.value is not None and figure.value.value == 1.0
    assert any("rows.jsonl, row 2: its reference has no number" in each.evidence for each in found.findings)


def test_without_rows_that_can_be_checked_the_figures_are_undefined(subject: Subject, tmp_path: Path) -> None:
    write(tmp_path, {"prompt": "Who?", "reference": "nobody"})
    found = examined(subject, tmp_path, check="number", rows="rows.jsonl", max_new_tokens=8)
    assert [figure.value for figure in found.figures] == [None, None]
    assert all(figure.why_undefined for figure in found.figures) and found.findings[0].is_bad


def test_answers_are_run_against_the_tests_of_their_row(
    subject: Subject, monkeypatch: Patch, tmp_path: Path
) -> None:
    """In HumanEval's form: one answer goes on, one defines the function, one is wrong, one ends the process."""
    row = {
        "prompt": 'def twice(n):\n    """Return 2 n."""\n',
        "canonical_solution": "    return 2 * n\n",
        "test": "def check(candidate):\n    assert candidate(3) == 6\n",
        "entry_point": "twice",
    }
    broken = {**row, "canonical_solution": "    return 3 * n\n"}
    write(tmp_path, row, broken)
    answers = ["    return n + n\n", "```python\ndef twice(n):\n    return 2 * n\n```", "    return n\n",
               "    pass\nimport os\nos._exit(0)\n"]  # fmt: skip
    answering(monkeypatch, [answers], [["    return 6\n", "no", "no", "no"]])
    told: list[tuple[int, int]] = []
    followed = replace(subject, tell=lambda done, total: told.append((done, total)))
    keys = {
        **PYTHON,
        "columns": {"reference": "canonical_solution"},
        "k": [1],
        "samples": 4,
        "max_new_tokens": 8,
    }
    found = examined(followed, tmp_path, **keys)
    (figure,) = found.figures
    assert figure.num_rows == 1 and figure.value is not None and figure.base is not None
    assert (figure.value.value, figure.base.value) == (0.5, 0.25)
    kept = found.details["rows"][0]["tuned"]
    assert [each["is_right"] for each in kept] == [True, True, False, False]
    assert "exit code 0" in kept[3]["problem"] and "assert candidate(3) == 6" in kept[2]["problem"]
    (left_out,) = found.details["left_out"]
    assert left_out["place"] == "rows.jsonl, row 2" and "does not pass its tests" in left_out["reason"]
    assert told[-1] == (4, 4) and sorted(told) == told


@pytest.mark.parametrize(
    ("row", "keys", "told"),
    [
        ({"prompt": "Who?"}, {}, "row 1: has no field reference"),
        ({"prompt": " ", "reference": "a"}, {}, "row 1, prompt: is ' '"),
        ({"prompt": "Who?", "reference": ["a"]}, {}, "row 1, reference: is ['a']"),
        ([1], {}, "a row with fields was expected"),
        ({"prompt": "def f():"}, PYTHON, "row 1: has no field test"),
        ({"prompt": "Who " * 400, "reference": "a"}, {}, "leave room for an answer"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    subject: Subject, tmp_path: Path, row: Any, keys: dict[str, Any], told: str
) -> None:
    write(tmp_path, row)
    with pytest.raises(DataError) as error:
        examined(subject, tmp_path, **{"rows": "rows.jsonl", "max_new_tokens": 8, **keys})
    assert told in str(error.value)


def test_raw_text_continues_the_prompts_of_a_file_and_has_none_of_its_own(tmp_path: Path) -> None:
    subject = text_subject(["The quick fox."], ["A slow dog."], steps=1)
    write(tmp_path, {"prompt": "The quick", "reference": "fox"})
    found = examined(
        subject, tmp_path, check="contains", rows="rows.jsonl", k=[1], samples=2, max_new_tokens=8
    )
    assert found.figures[0].num_rows == 1 and found.figures[0].base is None
    with pytest.raises(DataError, match="no reference"):
        examined(subject, max_new_tokens=8)


def test_limits_under_which_nothing_runs_are_refused_before_a_model_is_loaded(
    subject: Subject, monkeypatch: Patch, tmp_path: Path
) -> None:
    def never() -> Any:
        raise AssertionError("loaded")

    monkeypatch.setattr(PassAtK, "_limits", Limits(2, 1))
    with pytest.raises(DataError, match="cannot be run within its limits"):
        examined(replace(subject, load=never), tmp_path, **PYTHON)


def test_a_run_measures_it_and_a_gate_judges_it(tmp_path: Path) -> None:
    section = {
        "check": "exact",
        "k": [1, 2],
        "samples": 2,
        "temperature": 0.2,
        "max_new_tokens": 12,
        "max_rows": 6,
    }
    path = write_recipe(tmp_path, gates=[{"metric": "pass_at_k.2", "min": 1.01}])
    with pytest.raises(GateFailedError, match="pass_at_k.2"):
        run(make_plan(load(path, [f"evaluate.pass_at_k={json.dumps(section)}", "train.num_train_epochs=1"])))
    (report,) = (tmp_path / "runs").glob("*/report/report.json")
    (found,) = [each for each in read_json(report)["examinations"] if each["name"] == "pass_at_k"]
    assert [figure["name"] for figure in found["figures"]] == ["pass_at_k.1", "pass_at_k.2"]
    assert len(found["details"]["rows"]) == 6 and all(
        len(row["base"]) == 2 for row in found["details"]["rows"]
    )
