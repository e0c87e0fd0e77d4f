"""`luthier evaluate`: runs and models made anywhere, on their own rows and on others; bad input is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from luthier.core.files import read_json
from tests.tiny_job import Done, luthier, write_recipe

LITTLE = "evaluate={metrics: [perplexity], num_generations: 0, bootstrap_samples: 100}"
LITTLE_OF_CLASSES = "evaluate={metrics: [accuracy], bootstrap_samples: 100}"
GROUPS = {"warm": ("red", "pink", "brown"), "cold": ("blue", "green", "grey")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs: ``chat`` answers, ``sorts`` tells two classes apart."""
    folder = tmp_path_factory.mktemp("evaluate")
    rows = [
        {"text": f"a {colour} {animal} number {number}", "label": label}
        for label, colours in GROUPS.items()
        for colour in colours
        for animal in ("fox", "dog")
        for number in range(3)
    ]
    write_lines(folder / "labelled.jsonl", rows)
    assert luthier("run", write_recipe(folder, name="chat"), cwd=folder).returncode == 0
    sorts = write_recipe(
        folder, name="sorts", objective={"name": "classification"}, evaluate={"bootstrap_samples": 100},
        data={"train": [{"path": "labelled.jsonl"}], "eval": {"split": 0.3}, "max_length": 64},
    )  # fmt: skip
    assert luthier("run", sorts, cwd=folder).returncode == 0
    for name in ("chat", "sorts"):
        next((folder / "runs").glob(f"{name}-*")).rename(folder / name)
    return folder


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def evaluate(folder: Path, *arguments: object, out: str = "report") -> Done:
    shutil.rmtree(folder / out, ignore_errors=True)
    return luthier("evaluate", *arguments, "-o", out, cwd=folder)


def report_of(folder: Path, *arguments: object) -> dict[str, Any]:
    done = evaluate(folder, *arguments)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = read_json(folder / "report" / "report.json")
    return report


def metrics_of(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {metric["metric"]: metric for metric in report["metrics"]}


@pytest.mark.parametrize("name", ["chat", "sorts"])
def test_a_run_judged_again_has_the_figures_of_its_own_report(folder: Path, name: str) -> None:
    again = metrics_of(report_of(folder, name))
    own = metrics_of(read_json(folder / name / "report" / "report.json"))
    assert again.keys() == own.keys()
    for metric, figures in own.items():
        assert again[metric]["tuned"] == pytest.approx(figures["tuned"], rel=1e-6)
        assert again[metric]["base"] == pytest.approx(figures["base"], rel=1e-6)


def test_a_folder_with_the_same_rows_has_the_same_loss_whoever_reads_them(folder: Path) -> None:
    by_run = metrics_of(report_of(folder, "chat", "--data", "rows.json", "--set", LITTLE))
    by_folder = metrics_of(report_of(folder, "chat/model", "--data", "rows.json", "--set", LITTLE))
    for metric in ("eval_loss", "perplexity"):
        assert by_folder[metric]["tuned"] == pytest.approx(by_run[metric]["tuned"], rel=1e-6)
        assert by_folder[metric]["base"]["value"] == pytest.approx(by_run[metric]["base"]["value"], rel=1e-2)
        assert by_folder[metric]["partner"] == "base"


@pytest.mark.parametrize(("field", "sources"), [("animal", 2), (None, None)])
def test_rows_that_share_a_source_are_drawn_together(
    folder: Path, field: str | None, sources: int | None
) -> None:
    rows = [
        {"text": f"a {colour} {animal}", "label": label, "animal": animal}
        for label, colours in GROUPS.items()
        for colour in colours
        for animal in ("fox", "dog")
    ]
    write_lines(folder / "grouped.jsonl", rows)
    grouped = ("--set", f"data.eval.group_by={field}") if field else ()
    report = report_of(folder, "sorts/model", "--data", "grouped.jsonl", "--set", LITTLE_OF_CLASSES, *grouped)
    accuracy = metrics_of(report)["accuracy"]
    assert (accuracy["num_rows"], accuracy["num_clusters"]) == (12, sources)


def test_a_base_stands_alone_and_against_another_model(folder: Path) -> None:
    alone = metrics_of(report_of(folder, "base", "--data", "rows.json", "--set", LITTLE))["eval_loss"]
    assert alone["base"] is None and alone["improvement"] is None
    against = report_of(folder, "base", "--data", "rows.json", "--set", LITTLE, "--against", "chat")
    loss = metrics_of(against)["eval_loss"]
    assert loss["partner"] == "chat" and loss["improvement"]["high"] < 0
    assert loss["tuned"]["value"] == pytest.approx(alone["tuned"]["value"], rel=1e-6)


def test_a_classifier_made_elsewhere_is_judged_by_its_own_classes(folder: Path) -> None:
    model = folder / "elsewhere"
    shutil.copytree(folder / "sorts" / "model", model, dirs_exist_ok=True)
    (model / "luthier.json").unlink()
    by_run = metrics_of(report_of(folder, "sorts", "--data", "labelled.jsonl"))
    found = metrics_of(report_of(folder, model, "--data", "labelled.jsonl"))
    assert found["accuracy"]["tuned"] == pytest.approx(by_run["accuracy"]["tuned"])
    assert found["accuracy"]["partner"] == "baseline"
    assert found["eval_loss"]["tuned"]["value"] == pytest.approx(
        by_run["eval_loss"]["tuned"]["value"],
        rel=1e-2,  # nobody wrote down in which type it was trained
    )
    same = metrics_of(report_of(folder, model, "--data", "labelled.jsonl", "--against", "sorts"))["accuracy"]
    assert same["partner"] == "sorts" and same["improvement"]["value"] == 0.0


def test_a_recipe_of_rows_and_gates_is_enough_and_a_failed_gate_exits_with_3(folder: Path) -> None:
    recipe = folder / "eval.yaml"
    recipe.write_text(
        "data: {eval: {sources: [{path: rows.json, limit: 9}]}}\n"
        "evaluate: {metrics: [perplexity], num_generations: 0}\n"
        "gates: [{metric: perplexity, max: 1e9}, {metric: eval_loss, max: 0.001}]\n",
        encoding="utf-8",
    )
    done = evaluate(folder, "chat/model", "--recipe", recipe)
    assert done.returncode == 3
    assert "passed: perplexity" in done.stdout and "FAILED: eval_loss" in done.stdout
    assert "eval_loss ≤ 0.001" in done.stderr
    report = read_json(folder / "report" / "report.json")
    assert [gate["passed"] for gate in report["gates"]] == [True, False]
    assert report["data"]["eval_examples"] == 9
    assert (folder / "report" / "report.html").is_file()


def test_json_is_one_line_and_nothing_else(folder: Path) -> None:
    done = evaluate(folder, "chat", "--set", LITTLE, "--json")
    told = json.loads(done.stdout)
    assert told["passed"] is True and {m["metric"] for m in told["metrics"]} == {"eval_loss", "perplexity"}
    assert done.stderr == ""


def test_a_registered_version_is_judged_by_its_address(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    address = f"sqlite:///{folder / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    recipe = write_recipe(
        folder, name="listed", register={"name": "tiny", "alias": "candidate", "tracking_uri": address}
    )
    assert luthier("run", recipe, cwd=folder).returncode == 0
    (run,) = (folder / "runs").glob("listed-*")
    own = metrics_of(report_of(folder, run, "--data", "rows.json", "--set", LITTLE))["eval_loss"]["tuned"]
    for name in ("models:/tiny/1", "models:/tiny@candidate"):
        found = metrics_of(report_of(folder, name, "--data", "rows.json", "--set", LITTLE))["eval_loss"]
        assert found["tuned"] == pytest.approx(own, rel=1e-5) and found["partner"] == "base"
    for name in ("models:/tiny/7", "models:/nobody/1", "models:/tiny@nothing"):
        missing = evaluate(folder, name, "--data", "rows.json")
        assert missing.returncode == 2 and name.split("/")[1].split("@")[0] in missing.stderr


def test_an_adapter_of_bare_peft_is_compared_with_the_base_that_it_names(folder: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(folder / "base")
    model = PeftModel.from_pretrained(base, folder / "chat" / "model")
    model.peft_config["default"].base_model_name_or_path = str(folder / "base")
    model.save_pretrained(folder / "bare")
    assert (
        not (folder / "bare" / "luthier.json").exists() and not (folder / "bare" / "tokenizer.json").exists()
    )
    by_run = metrics_of(report_of(folder, "chat", "--data", "rows.json", "--set", LITTLE))["eval_loss"]
    found = metrics_of(report_of(folder, "bare", "--data", "rows.json", "--set", LITTLE))["eval_loss"]
    assert found["tuned"]["value"] == pytest.approx(by_run["tuned"]["value"], rel=1e-2)
    assert found["partner"] == "base" and found["improvement"]["low"] > 0


HUB = "evaluate.benchmarks={tasks: [{path: hub.yaml}]}"
BAD = [
    (("base",), "names no held-out rows"),
    (("nowhere", "--data", "rows.json"), "neither a folder nor a known base"),
    (("chat", "--set", "train.learning_rate=1.0"), "would be another model"),
    (("base", "--data", "labelled.jsonl"), "none of 36 rows can be judged"),
    (("sorts/model", "--data", "unlabelled.jsonl"), "no held-out row has a label"),
    (("sorts/model", "--data", "single.jsonl"), "all held-out rows have the label warm"),
    (("sorts/model", "--data", "strange.jsonl"), "the model knows cold, warm"),
    (("sorts", "--data", "single.jsonl"), "all held-out rows have the label warm"),
    (("base", "--data", "rows.json", "--against", "sorts"), "another head or other classes"),
    (("base", "--data", "rows.json", "--set", "evaluate.metrics=[accuracy]"), "cannot be measured"),
    (("base", "--data", "rows.json", "--set", "gates=[{metric: eval_los, max: 1}]"), "did you mean `eval_loss`"),
    (("base", "--recipe", "no.yaml"), "no file at no.yaml"),
    (("base", "--column", "label=x"), "has no effect without --data"),
    (("base", "--data", "unanswered.jsonl", "--set", "evaluate.metrics=[rouge]"), "none of 2 rows can be judged"),
    (("base", "--data", "unasked.jsonl"), "no known schema: the first row has instruction"),
    (("base", "--data", "broken.jsonl"), "line 2 is not valid JSON"),
    (("base", "--data", "rows.json", "--set", HUB), "would be fetched from the network"),
    (("base", "--data", "rows.json", "--set", "evaluate.fitting={}"), "trained on are not known"),
    (("base", "--data", "rows.json", "--set", "evaluate.fittin={}"), "did you mean `fitting`"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[words for _, words in BAD])
def test_bad_input_is_told_with_its_cure(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    text = {"text": "a red fox"}
    write_lines(folder / "unlabelled.jsonl", [text, text])
    write_lines(folder / "single.jsonl", [{**text, "label": "warm"}, {"text": "a pink dog", "label": "warm"}])
    write_lines(folder / "unanswered.jsonl", [{"instruction": "What is it?", "output": ""}] * 2)
    write_lines(folder / "unasked.jsonl", [{"instruction": "What is it?"}])
    (folder / "broken.jsonl").write_text('{"text": "a"}\n{"text": \n{"text": "b"}\n', encoding="utf-8")
    (folder / "hub.yaml").write_text("task: x\ndataset_path: hellaswag\n", encoding="utf-8")
    write_lines(folder / "strange.jsonl", [{**text, "label": "a"}, {**text, "label": "b"}])
    done = evaluate(folder, *arguments)
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert not (folder / "report").exists()


def test_rows_that_cannot_be_judged_are_counted_not_hidden(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "labelled.jsonl").read_text(encoding="utf-8").splitlines()]
    write_lines(folder / "mixed.jsonl", [*rows, {"text": "a fox", "label": "lukewarm"}])
    done = evaluate(folder, "sorts/model", "--data", "mixed.jsonl")
    assert done.returncode == 0, done.stderr
    assert "1 held-out row cannot be judged" in done.stderr and "lukewarm" in done.stderr
    report = read_json(folder / "report" / "report.json")
    assert report["data"]["eval_examples"] == 36 and len(report["data"]["left_out"]) == 1


def test_a_folder_that_is_no_report_is_never_replaced(folder: Path) -> None:
    (folder / "precious").mkdir(exist_ok=True)
    (folder / "precious" / "note.txt").write_text("keep", encoding="utf-8")
    done = luthier("evaluate", "chat", "--set", LITTLE, "-o", "precious", cwd=folder)
    assert done.returncode == 2 and "is no report" in done.stderr
    assert (folder / "precious" / "note.txt").is_file()
