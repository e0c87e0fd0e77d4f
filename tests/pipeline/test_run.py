"""The stages together, on a tiny model: made once, found again, stopped by a gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import GateFailedError
from luthier.core.events import read_events
from luthier.core.files import read_json
from luthier.evaluate.report import Report
from luthier.pipeline.job import Job
from luthier.pipeline.run import make_plan, run
from luthier.pipeline.story import summarize
from luthier.recipe.load import load
from luthier.registry.mlflow_registry import Registry
from luthier.train.stage import TrainedModel
from tests.tiny_job import write_recipe


def do(recipe: Path, *overrides: str, **options: Any) -> Job:
    return run(make_plan(load(recipe, overrides)), **options)


def states(job: Job) -> dict[str, str]:
    """The last state of each stage."""
    return {e["stage"]: e["status"] for e in read_events(job.folder.events_path) if e["kind"] == "stage"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("job"))


@pytest.fixture(scope="module")
def done(recipe: Path) -> Job:
    return do(recipe)


def test_a_run_improves_the_model_and_says_what_it_proved(done: Job) -> None:
    receipt = read_json(done.folder.path / "receipt.json")
    assert receipt["train"]["tensors_moved"] == receipt["train"]["tensors_trained"] > 0
    assert receipt["train"]["frozen_weights_unchanged"] is True
    assert receipt["evaluate"]["prompts"]["prompts_equal"] == receipt["data"]["eval_examples"] == 12
    assert receipt["evaluate"]["reload"]["relative_difference"] < 1e-4
    assert receipt["evaluate"]["merge"]["largest_logit_difference"] < 1e-3
    loss = next(m for m in done.report.metrics if m["metric"] == "eval_loss")
    assert loss["improvement"]["low"] > 0.1 and loss["p_value"] < 0.05


def test_the_run_folder_explains_itself(done: Job) -> None:
    path = done.folder.path
    for name in ("recipe.yaml", "plan.json", "lock.json", "events.jsonl", "receipt.json"):
        assert (path / name).is_file(), name
    lock = read_json(path / "lock.json")
    assert {"recipe", "base", "data", "tokenizer_hash", "template_hash"} <= lock["hashes"].keys()
    assert lock["packages"]["torch"]
    summary = summarize(done.folder)
    assert (
        summary["data"]["train"] == 36 and summary["data"]["eval"] == 12 and summary["train"]["steps"] == 27
    )
    assert (path / "report" / "report.html").read_text(encoding="utf-8").count("<svg") == 1
    for name in (
        "adapter_model.safetensors",
        "chat_template.jinja",
        "generation_config.json",
        "luthier.json",
    ):
        assert (path / "model" / name).is_file(), name


def test_generation_config_stops_where_answers_end(done: Job) -> None:
    config = read_json(done.folder.path / "model" / "generation_config.json")
    assert config["eos_token_id"] == list(done.template.stop_token_ids)


def test_a_second_run_makes_nothing(recipe: Path, done: Job) -> None:
    again = do(recipe)
    assert again.folder == done.folder
    assert states(again) == {"rows": "cached", "data": "cached", "train": "cached", "evaluate": "cached"}


def test_another_gate_reuses_data_and_model_of_its_sibling(recipe: Path, done: Job) -> None:
    other = do(recipe, "gates=[{metric: eval_loss, max: 100.0}]")
    assert other.folder != done.folder
    assert states(other) == {"rows": "cached", "data": "cached", "train": "cached", "evaluate": "done"}
    assert other.trained.fingerprint == done.trained.fingerprint
    assert other.report.gates[0]["passed"] is True


def test_a_changed_row_changes_the_run(recipe: Path, tmp_path: Path) -> None:
    copy = write_recipe(tmp_path / "a")
    first = do(copy, until="data")
    rows = json.loads((copy.parent / "rows.json").read_text())
    rows[0]["output"] += " Truly."
    (copy.parent / "rows.json").write_text(json.dumps(rows))
    second = do(copy, until="data")
    assert first.folder != second.folder
    assert first.dataset.content_hash != second.dataset.content_hash


def test_fresh_starts_over_with_the_same_result(recipe: Path, done: Job) -> None:
    before = (done.folder.path / "model" / "adapter_model.safetensors").read_bytes()
    again = do(recipe, fresh=True)
    assert states(again)["train"] == "done"
    assert (again.folder.path / "model" / "adapter_model.safetensors").read_bytes() == before


def test_a_failed_gate_writes_the_report_and_registers_nothing(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    recipe = write_recipe(
        tmp_path,
        gates=[{"metric": "eval_loss", "max": 0.001}],
        register={"name": "tiny", "tracking_uri": uri},
    )
    plan = make_plan(load(recipe))
    with pytest.raises(GateFailedError, match="eval_loss ≤ 0.001") as failure:
        run(plan)
    assert failure.value.exit_code == 3
    folder = next((tmp_path / "runs").iterdir())
    report = Report.load(folder / "report")
    assert report is not None and not report.passed
    assert (folder / "report" / "report.html").is_file()
    assert not (folder / "register").exists() and not (tmp_path / "mlflow.db").exists()
    with pytest.raises(GateFailedError):  # a cached report does not open the gate
        run(plan)


def test_a_passed_gate_registers_with_lineage(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    recipe = write_recipe(
        tmp_path,
        gates=[{"metric": "eval_loss", "relative_to": "base", "better_by": 0.05}],
        register={"name": "tiny", "alias": "best", "tracking_uri": uri},
    )
    job = do(recipe)
    version = Registry(uri).resolve("models:/tiny@best")
    assert version.run == job.folder.name
    assert version.parameters["data.train.0.path"] == "rows.json" and version.parameters["method.r"] == "4"
    loss = next(m for m in job.report.metrics if m["metric"] == "eval_loss")
    assert version.metrics["eval_loss"] == pytest.approx(loss["tuned"]["value"])
    folder = Registry(uri).model_folder("models:/tiny@best")
    assert (folder / "adapter_model.safetensors").read_bytes() == (
        job.folder.path / "model" / "adapter_model.safetensors"
    ).read_bytes()
    assert read_json(job.folder.path / "receipt.json")["register"]["version"] == "models:/tiny/1"


def test_a_half_written_stage_is_removed_and_named(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    job = do(recipe, until="data")
    (job.folder.path / ".partial-1-model").mkdir()
    seen: list[dict[str, Any]] = []
    do(recipe, until="data", listeners=(seen.append,))
    assert any("half-written .partial-1-model" in e.get("message", "") for e in seen)
    assert not (job.folder.path / ".partial-1-model").exists()


@pytest.mark.parametrize(
    "method",
    [
        {"name": "full"},
        {"name": "freeze", "trainable_layers": 1},
        {"name": "freeze", "trainable_patterns": ["*.mlp.*"]},
    ],
    ids=["full", "layers", "patterns"],
)
def test_every_method_runs_to_a_report(tmp_path: Path, method: dict[str, Any]) -> None:
    job = do(write_recipe(tmp_path, method=method))
    assert TrainedModel.load(job.folder.path / "model") is not None
    loss = next(m for m in job.report.metrics if m["metric"] == "eval_loss")
    assert loss["improvement"]["low"] > 0
    assert "merge" not in job.report.proofs and "reload" in job.report.proofs


def test_pretraining_on_raw_text(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(
        "\n\n".join(f"The quick brown fox jumps over the lazy dog {n}." for n in range(30)), encoding="utf-8"
    )
    recipe = write_recipe(
        tmp_path,
        objective={"name": "pretraining"},
        data={"train": [{"path": "text.txt"}], "eval": {"split": 0.2}, "max_length": 32},
        evaluate={"bootstrap_samples": 100},
    )
    job = do(recipe)
    assert [m["metric"] for m in job.report.metrics] == ["eval_loss", "perplexity"]
    assert job.report.metrics[0]["improvement"]["low"] > 0.1
