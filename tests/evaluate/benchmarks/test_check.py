"""Benchmarks from task files: lm-evaluation-harness's own figures, whatever the batch; base, gates, contamination."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="pip install 'luthier[benchmarks]'")

from luthier.core.errors import DataError, RecipeError
from luthier.core.files import read_json
from luthier.evaluate.benchmarks.harness_model import HarnessModel
from luthier.evaluate.benchmarks.run import TaskRun, load_task, run_task
from luthier.models.chat_model import ChatModel
from luthier.pipeline.run import make_plan, run
from luthier.recipe.evaluate_sections.benchmarks import BenchmarksSection, BenchmarkTask
from luthier.recipe.load import load
from tests.models.tiny_chat import make_chat_llama, make_chat_tokenizer
from tests.tiny_job import ANIMALS, COLOURS, write_recipe

SOURCE = "dataset_path: json\ndataset_kwargs: {data_files: {test: items.jsonl, train: shots.jsonl}}\ntest_split: test\n"
ASKS = 'doc_to_text: "Which one is {{question}}?\\nAnswer:"\n'
KINDS = {
    "choice": "output_type: multiple_choice\ndoc_to_choice: choices\ndoc_to_target: answer\nfewshot_split: train\n",
    "words": 'output_type: loglikelihood\ndoc_to_target: " {{choices[answer]}}"\n',
    "rolling": 'output_type: loglikelihood_rolling\ndoc_to_target: "{{question}} and {{choices[0]}}"\n',
    "writes": "output_type: generate_until\ndoc_to_target: '{{choices[answer]}}'\n"
    'generation_kwargs: {until: ["\\n"], max_gen_toks: 5}\n',
}
MODEL, TOKENIZER = make_chat_llama(initializer_range=0.2).eval(), make_chat_tokenizer()


def write_tasks(folder: Path, count: int = 12) -> None:
    items = [
        {
            "question": f"the {COLOURS[n % 8]} {ANIMALS[n % 6]} in house {n}",
            "choices": [f"the {COLOURS[n % 8]}", f"{ANIMALS[n % 6]} {n}", "nothing"],
            "answer": n % 3,
        }
        for n in range(count + 4)
    ]
    for name, part in (("items", items[4:]), ("shots", items[:4])):
        lines = "".join(json.dumps(item) + "\n" for item in part)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    for name, rest in KINDS.items():
        text = "" if name == "rolling" else ASKS
        own = 'doc_to_text: ""\n' if name == "rolling" else ""
        (folder / f"{name}.yaml").write_text(
            f"task: tiny_{name}\n{SOURCE}{text}{own}{rest}", encoding="utf-8"
        )


def asked(folder: Path, kind: str, model: Any, **settings: Any) -> TaskRun:
    section = BenchmarkTask(path=f"{kind}.yaml", **settings)
    return run_task(load_task(section, folder), model, limit=section.limit, apply_chat_template=False)


def ours(batch_size: int | None = None) -> HarnessModel:
    return HarnessModel(ChatModel(MODEL, TOKENIZER, None), batch_size=batch_size)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    write_tasks(folder)
    return folder


def figures(run: TaskRun) -> dict[str, float]:
    return {metric.name: float(metric.aggregate(list(metric.values))) for metric in run.metrics}


@pytest.mark.parametrize("kind", list(KINDS))
def test_lm_evaluation_harness_gets_the_same_from_its_own_model(folder: Path, kind: str) -> None:
    from lm_eval.models.huggingface import HFLM

    theirs = asked(folder, kind, HFLM(pretrained=MODEL, tokenizer=TOKENIZER, batch_size=4, device="cpu"))
    found = asked(folder, kind, ours())
    assert figures(found) == pytest.approx(figures(theirs), rel=1e-4)
    if kind == "writes":
        assert found.answers == theirs.answers
        return
    for own, other in zip(flat(found.answers), flat(theirs.answers), strict=True):
        assert own == pytest.approx(other, abs=1e-3)


def flat(value: Any) -> list[float]:
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in flat(part)]
    return [float(value)]


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_the_batch_size_changes_no_answer(folder: Path, batch_size: int) -> None:
    one, other = asked(folder, "choice", ours()), asked(folder, "choice", ours(batch_size))
    assert [m.values for m in one.metrics] == [m.values for m in other.metrics]
    assert flat(one.answers) == pytest.approx(flat(other.answers), abs=1e-4)


def test_solved_examples_stand_before_the_question_and_a_limit_is_kept(folder: Path) -> None:
    none, some = asked(folder, "choice", ours()), asked(folder, "choice", ours(), num_fewshot=2, limit=5)
    assert (len(none.texts), len(some.texts)) == (12, 5)
    assert some.num_fewshot == 2 and flat(some.answers) != flat(none.answers[:5])
    assert some.texts == none.texts[:5]  # the question itself, for contamination


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a run whose training rows hold two of the twelve items."""
    folder = tmp_path_factory.mktemp("run")
    write_tasks(folder)
    text = (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()
    for number in (0, 1):
        item = json.loads(text[number])
        item["question"] = (
            f"{item['question']} beside the long road that leads down to the old harbour of the town"
        )
        text[number] = json.dumps(item)
    (folder / "items.jsonl").write_text("\n".join(text) + "\n", encoding="utf-8")
    path = write_recipe(
        folder,
        evaluate={
            "metrics": ["perplexity"], "num_generations": 0, "bootstrap_samples": 200,
            "benchmarks": {"tasks": [{"path": "choice.yaml"}, {"path": "rolling.yaml"}]},
        },
        gates=[{"metric": "benchmarks.tiny_choice.acc", "min": 0.0},
               {"metric": "benchmarks.tiny_choice.contaminated", "max": 1.0}],
    )  # fmt: skip
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    for number in (0, 1):
        question = json.loads(text[number])["question"]
        rows += [{"instruction": f"Tell me: Which one is {question}?", "output": "this"}]
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    job = run(make_plan(load(path, ["data.eval={sources: [{path: rows.json, limit: 10}]}"])))
    told: dict[str, Any] = read_json(job.folder.path / "report" / "report.json")
    told["html"] = (job.folder.path / "report" / "report.html").read_text(encoding="utf-8")
    return told


def test_figures_stand_before_and_after_tuning_with_intervals(report: dict[str, Any]) -> None:
    (examined,) = report["examinations"]
    by_name = {figure["name"]: figure for figure in examined["figures"]}
    for name in ("benchmarks.tiny_choice.acc", "benchmarks.tiny_rolling.word_perplexity"):
        figure = by_name[name]
        assert (
            figure["base"] is not None
            and figure["value"]["low"] <= figure["value"]["value"] <= figure["value"]["high"]
        )
    assert [gate["passed"] for gate in report["gates"]] == [True, True]
    assert "known to ±" in report["gates"][0]["noise"]
    assert "Benchmarks" in report["html"] and "benchmarks.tiny_choice.acc" in report["html"]


def test_items_that_training_has_seen_are_counted_and_named(report: dict[str, Any]) -> None:
    (examined,) = report["examinations"]
    (seen,) = (f for f in examined["figures"] if f["name"] == "benchmarks.tiny_choice.contaminated")
    assert seen["value"]["value"] == pytest.approx(2 / 12)
    (finding,) = (f for f in examined["findings"] if "of tiny_choice share a passage" in f["text"])
    assert finding["is_bad"] and "without them: acc" in finding["evidence"]
    assert "rows.json, row" in finding["evidence"]


BAD = [
    ("task: x\ndataset_path: hellaswag\n", "would be fetched from the network"),
    ("- no\n- task\n", "no task file"),
    (None, "no file at"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[words for _, words in BAD])
def test_what_cannot_be_run_offline_is_refused_before_training(
    tmp_path: Path, text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    path = write_recipe(tmp_path, evaluate={"benchmarks": {"tasks": [{"path": "bad.yaml"}]}})
    with pytest.raises(RecipeError, match=words):
        make_plan(load(path))


def test_a_gate_on_a_metric_that_the_task_does_not_have_is_refused_with_the_nearest(tmp_path: Path) -> None:
    write_tasks(tmp_path)
    section = {"benchmarks": {"tasks": [{"path": "choice.yaml"}]}}
    gates = [{"metric": "benchmarks.tiny_choice.ac", "min": 0.5}]
    with pytest.raises(RecipeError, match=r"did you mean `benchmarks\.tiny_choice\.acc`"):
        make_plan(load(write_recipe(tmp_path, evaluate=section, gates=gates)))


def test_rows_that_are_missing_are_told(tmp_path: Path) -> None:
    write_tasks(tmp_path)
    (tmp_path / "items.jsonl").unlink()
    with pytest.raises(DataError, match="cannot be loaded"):
        load_task(BenchmarkTask(path="choice.yaml"), tmp_path)


def test_the_report_follows_from_the_files_of_rows_too(folder: Path) -> None:
    section = BenchmarksSection(tasks=[BenchmarkTask(path="choice.yaml")])
    assert set(section.files_in(folder)) == {"choice.yaml", "items.jsonl", "shots.jsonl"}
    assert "benchmarks.tiny_choice.acc_norm" in section.figure_names_in(folder)
