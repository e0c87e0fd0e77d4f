"""Answers from a recipe to a model that bare transformers and `luthier predict` use, and bad input told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from luthier.core.files import read_json
from luthier.pipeline.job import Job
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from tests.conftest import SHARED_DATA
from tests.objectives.tiny_models import FAMILIES, save_base
from tests.tiny_job import luthier

TRAIN = {"learning_rate": 0.01, "num_train_epochs": 4, "per_device_train_batch_size": 8, "report_to": []}
WORDS = ("empire", "states", "unbelievable", "天气")
FULL: dict[str, Any] = {"name": "full"}


def rows(has_unanswerable: bool = False) -> list[dict[str, Any]]:
    """The answer is the word after ``it``; a context without ``it`` has none."""
    made = []
    for answer in WORDS:
        for other in WORDS:
            for end in ("one", "two", "好", "."):
                context = f"two {other} one it {answer} {end} two. one {other}"
                start = context.index(f"it {answer}") + 3
                answers = [{"text": answer, "answer_start": start}]
                made.append({"question": f"one {end}?", "context": context, "answers": answers})
                if has_unanswerable:
                    none = context.replace("it", "two")
                    made.append({"question": f"one {end}?", "context": none, "answers": []})
    return made


def recipe(
    folder: Path, base: str = "bert", content: list[dict[str, Any]] | None = None, **sections: Any
) -> Path:
    save_base(base, folder / base)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content or rows()))
    values: dict[str, Any] = {
        "name": "answers",
        "runs_dir": str(folder / "runs"),
        "model": {"base": base, "dtype": "float32"},
        "data": {"train": [{"path": "rows.jsonl"}], "eval": {"split": 0.25}, "max_length": 96},
        "objective": {"name": "question_answering", "doc_stride": 4},
        "method": FULL,
        "train": TRAIN,
        "evaluate": {"bootstrap_samples": 100},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**values, **sections}))
    return path


def done(path: Path, until: str | None = None) -> Job:
    return run(make_plan(load(path)), until=until)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("base", FAMILIES)
@pytest.mark.parametrize("method", [FULL, {"name": "lora", "r": 4}], ids=["full", "lora"])
def test_a_recipe_makes_a_reader(base: str, method: dict[str, Any], tmp_path: Path) -> None:
    gate = {"metric": "f1", "relative_to": "baseline", "better_by": -0.99}
    job = done(recipe(tmp_path, base, method=method, gates=[gate]))
    report = job.report
    assert report is not None and report.passed
    found = {metric["metric"]: metric for metric in report.metrics}
    assert list(found) == ["eval_loss", "exact_match", "f1"]
    assert found["eval_loss"]["tuned"]["value"] < found["eval_loss"]["base"]["value"], "it learnt nothing"
    assert report.proofs["reload"]["relative_difference"] < 1e-3
    assert ("merge" in report.proofs) == (method != FULL)
    page = (report.folder / "report.html").read_text()
    assert "shares most words" in page and "Wrong answers" in page and "per window" in page


def test_what_is_predicted_is_what_was_evaluated_and_transformers_loads_it(tmp_path: Path) -> None:
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    job = done(
        recipe(tmp_path, objective={"name": "question_answering", "doc_stride": 4, "max_answer_length": 3})
    )
    held = [json.loads(line) for line in (job.folder.path / "rows" / "eval.jsonl").read_text().splitlines()]
    (tmp_path / "held.jsonl").write_text("".join(json.dumps(row) + "\n" for row in held))
    told = luthier("predict", job.folder.path, "held.jsonl", "-o", "said.jsonl", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    right = sum(line["answer"] == row["answers"][0]["text"] for line, row in zip(said, held, strict=True))
    assert job.report is not None
    exact = next(m for m in job.report.metrics if m["metric"] == "exact_match")["tuned"]["value"]
    assert right / len(held) == pytest.approx(exact)

    question, context = held[0]["question"], held[0]["context"]
    one = luthier(
        "predict", job.folder.path, "--question", question, "--context", context, "--json", cwd=tmp_path
    )
    (ours,) = [json.loads(line) for line in one.stdout.splitlines()]
    assert ours["answer"] == said[0]["answer"] and context.startswith(ours["answer"], ours["start"])
    model = AutoModelForQuestionAnswering.from_pretrained(job.trained.folder)
    tokenizer = AutoTokenizer.from_pretrained(job.trained.folder)
    inputs = tokenizer(question, context, return_tensors="pt", return_token_type_ids=True)
    with torch.no_grad():
        outputs = model(**inputs)
    best = ours["candidates"][0]
    first = inputs.char_to_token(0, best["start"], sequence_index=1)
    last = inputs.char_to_token(0, best["start"] + len(best["text"]) - 1, sequence_index=1)
    in_context = torch.tensor([part == 1 for part in inputs.sequence_ids(0)])
    scores = outputs.start_logits[0][:, None] + outputs.end_logits[0][None, :]
    band = torch.ones_like(scores).triu() - torch.ones_like(scores).triu(3)
    allowed = scores.masked_fill((band == 0) | ~in_context[:, None] | ~in_context[None, :], -torch.inf)
    assert divmod(int(allowed.argmax()), len(in_context)) == (first, last)


def test_no_answer_is_said_by_the_threshold_of_the_report(tmp_path: Path) -> None:
    objective = {"name": "question_answering", "doc_stride": 4, "version_2_with_negative": True}
    job = done(recipe(tmp_path, content=rows(has_unanswerable=True), objective=objective))
    assert job.report is not None
    task = read_json(job.report.folder / "report.json")["task"]
    assert set(task["questions"]) == {"with an answer", "without one"}
    asked = ["--question", "one?", "--context", "two empire one it states one"]
    (said,) = [
        json.loads(line)
        for line in luthier("predict", job.folder.path, *asked, "--json", cwd=tmp_path).stdout.splitlines()
    ]
    assert (said["answer"] == "") == (said["null_margin"] > task["null_score_diff_threshold"])
    never = luthier("predict", job.folder.path, *asked, "--null-score-diff-threshold", "-999", cwd=tmp_path)
    assert "(no answer)" in never.stdout


def test_bad_rows_are_left_out_with_their_reasons(tmp_path: Path) -> None:
    good = rows()
    bad = [
        {**good[0], "answers": [{"text": "elsewhere", "answer_start": 3}]},
        {**good[1], "answers": [{"text": "one", "answer_start": 0}]},
        {**good[2], "context": " "},
        {**good[3], "question": "one two " * 60},
        {**good[4], "answers": []},
    ]
    job = done(recipe(tmp_path, content=[*good, *bad]), until="data")
    left_out = read_json(job.dataset.folder / "label_budget.json")["left_out"]
    reasons = {reason: entry["first"] for reason, entry in left_out.items()}
    assert reasons["answer_not_in_context"] == ["rows.jsonl, row 65"]
    assert reasons["answer_at_other_offset"] == ["rows.jsonl, row 66"]
    assert reasons["question_too_long"] == ["rows.jsonl, row 68"]
    assert reasons["no_answer"] == ["rows.jsonl, row 69"]
    assert sum(len(first) for first in reasons.values()) == 5


def test_a_missing_context_is_told(tmp_path: Path) -> None:
    job = done(recipe(tmp_path), until="train")
    told = luthier("predict", job.folder.path, "--text", "one?", cwd=tmp_path)
    assert told.returncode == 2 and "this model reads question and context" in told.stderr
    told = luthier("predict", job.folder.path, "--question", "one?", cwd=tmp_path)
    assert told.returncode == 2 and "need one --context" in told.stderr


@pytest.mark.slow
def test_questions_are_answered_by_the_real_encoder(tmp_path: Path) -> None:
    xquad = SHARED_DATA / "qa" / "xquad_en.json"
    if not xquad.is_file():
        pytest.skip(f"public data sets are not at {SHARED_DATA}")
    values = {
        "name": "xquad",
        "runs_dir": str(tmp_path / "runs"),
        "model": {"base": "minilm"},
        "data": {"train": [{"path": str(xquad), "limit": 700}], "eval": {"split": 0.2}, "max_length": 256},
        "objective": {"name": "question_answering", "doc_stride": 64},
        "method": FULL,
        "train": {
            "learning_rate": 3e-4,
            "num_train_epochs": 3,
            "per_device_train_batch_size": 16,
            "report_to": [],
        },
        "gates": [{"metric": "exact_match", "min": 0.02}],
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    job = done(path)
    assert job.report is not None and job.report.passed
