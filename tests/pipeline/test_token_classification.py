"""Tags of words from a recipe to a model that bare transformers and `luthier predict` use, and bad input told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from luthier.core.errors import DataError
from luthier.core.files import read_json
from luthier.pipeline.job import Job
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from tests.conftest import SHARED_DATA
from tests.objectives.tiny_models import FAMILIES, save_base
from tests.tiny_job import luthier

TRAIN = {"learning_rate": 0.02, "num_train_epochs": 6, "per_device_train_batch_size": 8, "report_to": []}
PLACES = ("empire", "state", "states")
FULL: dict[str, Any] = {"name": "full"}


def rows() -> list[dict[str, Any]]:
    """Places are tagged, other words are not."""
    made = []
    for place in PLACES:
        for before in ("one", "two", "it", "unbelievable"):
            for after in (".", "天气", "one", "it"):
                made.append({"tokens": [before, place, "two", after], "tags": ["O", "B-loc", "O", "O"]})
                made.append({"tokens": [before, after, place, place], "tags": ["O", "O", "B-loc", "I-loc"]})
    return made


def recipe(
    folder: Path, base: str = "bert", content: list[dict[str, Any]] | None = None, **sections: Any
) -> Path:
    save_base(base, folder / base)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content or rows()))
    values: dict[str, Any] = {
        "name": "places",
        "runs_dir": str(folder / "runs"),
        "model": {"base": base, "dtype": "float32"},
        "data": {"train": [{"path": "rows.jsonl"}], "eval": {"split": 0.25}, "max_length": 64},
        "objective": {"name": "token_classification", "label_on": "last" if base == "llama" else "first"},
        "method": FULL,
        "train": TRAIN,
        "evaluate": {"bootstrap_samples": 100},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**values, **sections}))
    return path


def done(path: Path) -> Job:
    return run(make_plan(load(path)))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("base", FAMILIES)
@pytest.mark.parametrize("method", [FULL, {"name": "lora", "r": 4}], ids=["full", "lora"])
def test_a_recipe_makes_a_tagger(base: str, method: dict[str, Any], tmp_path: Path) -> None:
    gate = {"metric": "f1", "min": 0.2}
    job = done(recipe(tmp_path, base, method=method, gates=[gate]))
    assert job.dataset.learned["labels"] == ["O", "B-loc", "I-loc"]
    report = job.report
    assert report is not None and report.passed
    found = {metric["metric"]: metric for metric in report.metrics}
    assert list(found) == ["eval_loss", "f1", "precision", "recall", "f1_macro", "accuracy"]
    assert found["eval_loss"]["tuned"]["value"] < found["eval_loss"]["base"]["value"], "it learnt nothing"
    assert report.proofs["reload"]["relative_difference"] < 1e-3
    assert ("merge" in report.proofs) == (method != FULL)
    page = (report.folder / "report.html").read_text()
    assert "most frequent tag in training" in page and "Each type" in page and "per word" in page


def test_what_is_predicted_is_what_was_evaluated_and_what_transformers_says(tmp_path: Path) -> None:
    from transformers import pipeline

    job = done(recipe(tmp_path))
    held = [json.loads(line) for line in (job.folder.path / "rows" / "eval.jsonl").read_text().splitlines()]
    (tmp_path / "held.jsonl").write_text(
        "".join(json.dumps({"tokens": row["tokens"]}) + "\n" for row in held)
    )
    said = luthier("predict", job.folder.path, "held.jsonl", "-o", "said.jsonl", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    lines = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    right = sum(
        t == s
        for row, line in zip(held, lines, strict=True)
        for t, s in zip(row["tags"], line["tags"], strict=True)
    )
    assert job.report is not None
    accuracy = next(m for m in job.report.metrics if m["metric"] == "accuracy")["tuned"]["value"]
    assert right / sum(len(row["tokens"]) for row in held) == pytest.approx(accuracy)
    text = "one empire two unbelievable"
    told = luthier("predict", job.folder.path, "--text", text, "--json", cwd=tmp_path)
    (ours,) = [json.loads(line) for line in told.stdout.splitlines()]
    theirs = pipeline("token-classification", model=str(job.trained.folder), aggregation_strategy="first")(
        text
    )
    found = [
        (e["entity_group"], e["start"], e["end"], e["score"]) for e in theirs if e["entity_group"] != "O"
    ]
    assert found and [(e["type"], e["start"], e["end"]) for e in ours["entities"]] == [f[:3] for f in found]
    assert ours["entities"][0]["probability"] == pytest.approx(float(found[0][3]), abs=1e-4)
    people = luthier("predict", job.folder.path, "--text", text, cwd=tmp_path)
    assert "empire (loc, " in people.stdout


def test_long_rows_are_measured_whole(tmp_path: Path) -> None:
    data = {"train": [{"path": "rows.jsonl"}], "eval": {"split": 0.25}, "max_length": 6}
    job = done(recipe(tmp_path, data=data, train={**TRAIN, "num_train_epochs": 1}))
    assert job.dataset.num_eval > 24 and job.report is not None
    assert {m["num_rows"] for m in job.report.metrics} == {24}


def test_bad_rows_are_left_out_with_their_reasons(tmp_path: Path) -> None:
    bad = [
        {"tokens": ["one", "two"], "tags": ["O"]},
        {"tokens": ["one", "two"], "tags": ["O", "I-loc"]},
        {"tokens": ["one", ""], "tags": ["O", "O"]},
    ]
    (tmp_path / "held.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in [*rows()[:3], {"tokens": ["one"], "tags": ["B-who"]}])
    )
    data = {"train": [{"path": "rows.jsonl"}], "eval": {"sources": [{"path": "held.jsonl"}]}}
    path = recipe(tmp_path, content=[*rows(), *bad], data=data, train={**TRAIN, "num_train_epochs": 1})
    job = run(make_plan(load(path)), until="data")
    left_out = read_json(job.dataset.folder / "label_budget.json")["left_out"]
    assert left_out["length_mismatch"]["first"] == ["rows.jsonl, row 97"]
    assert left_out["broken_tags"]["first"] == ["rows.jsonl, row 98"]
    assert left_out["empty_token"]["first"] == ["rows.jsonl, row 99"]
    assert left_out["unknown_tag"] == {
        "detail": "'B-who' at word 1 is no tag of the training rows", "rows": 1, "first": ["held.jsonl, row 4"]
    }  # fmt: skip


def test_rows_with_one_tag_alone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to tell apart"):
        done(recipe(tmp_path, content=[{"tokens": ["one", str(n)], "tags": ["O", "O"]} for n in range(20)]))


@pytest.mark.slow
def test_names_in_tweets_are_found_by_the_real_encoder(tmp_path: Path) -> None:
    ner = SHARED_DATA / "ner"
    if not ner.is_dir():
        pytest.skip(f"public data sets are not at {SHARED_DATA}")
    values = {
        "name": "wnut",
        "runs_dir": str(tmp_path / "runs"),
        "model": {"base": "minilm"},
        "data": {
            "train": [{"path": str(ner / "wnut17_train.conll"), "limit": 1200}],
            "eval": {"sources": [{"path": str(ner / "wnut17_test.conll"), "limit": 400}]},
            "max_length": 96,
        },
        "objective": {"name": "token_classification"},
        "method": FULL,
        "train": {
            "learning_rate": 3e-4,
            "num_train_epochs": 2,
            "per_device_train_batch_size": 16,
            "report_to": [],
        },
        "gates": [{"metric": "f1", "min": 0.2}],  # the baseline finds none
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    job = done(path)
    assert job.report is not None and job.report.passed
