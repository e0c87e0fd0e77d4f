"""A whole run of several tasks, from the recipe to gates by task, with heads and as a generative mixture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from luthier.core.errors import GateFailedError
from luthier.core.events import read_events
from luthier.core.files import read_json
from luthier.models.load import load_trained
from luthier.models.multi_head import MultiHeadModel
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from tests.models.tiny_encoder import save_tiny_encoder
from tests.objectives.multitask.tiny_tasks import ENTITIES, INTENT, samples
from tests.tiny_job import write_recipe


def write_headed(folder: Path, **sections: Any) -> Path:
    """Write the tiny encoder, rows of both tasks and a recipe."""
    if not (folder / "base").is_dir():
        save_tiny_encoder(folder / "base")
    rows = samples(120)
    texts = [{"text": row.text, "label": (row.labels or ("",))[0]} for row in rows if row.task == "intent"]
    (folder / "intents.json").write_text(json.dumps(texts))
    words = [{"tokens": row.tokens, "tags": row.tags} for row in rows if row.task == "entities"]
    (folder / "entities.json").write_text(json.dumps(words))
    recipe: dict[str, Any] = {
        "name": "several",
        "runs_dir": str(folder / "runs"),
        "model": {"base": "base", "dtype": "float32"},
        "data": {
            "train": [
                {"path": "intents.json", "task": "intent"},
                {"path": "entities.json", "task": "entities"},
            ],
            "eval": {"split": 0.25},
            "max_length": 32,
            "clean": {"deduplicate": "off"},
        },
        "objective": {
            "name": "multitask",
            "tasks": [INTENT, ENTITIES],
            "sampling": {"name": "round_robin"},
            "gradients": {"conflict_steps": 2},
        },
        "method": {"name": "full"},
        "train": {"learning_rate": 0.01, "num_train_epochs": 4, "per_device_train_batch_size": 8},
        "evaluate": {"bootstrap_samples": 200},
        "gates": [{"metric": "accuracy", "task": "intent", "min": 0.2}, {"metric": "eval_loss", "max": 9.0}],
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe, **sections}), encoding="utf-8")
    return path


@pytest.mark.parametrize("method", [{"name": "full"}, {"name": "lora", "r": 4, "lora_alpha": 8}])
def test_heads_are_trained_measured_and_judged_task_by_task(method: dict[str, Any], tmp_path: Path) -> None:
    job = run(make_plan(load(write_headed(tmp_path, method=method))))
    assert job.report is not None and job.report.passed
    metrics = {metric["metric"]: metric for metric in job.report.metrics}
    assert {"eval_loss", "intent.accuracy", "entities.f1", "entities.eval_loss"} <= metrics.keys()
    assert metrics["intent.accuracy"]["partner"] == "baseline"
    assert metrics["eval_loss"]["tuned"]["value"] < metrics["eval_loss"]["base"]["value"]
    assert job.report.proofs["reload"]["relative_difference"] < 1e-3
    assert ("merge" in job.report.proofs) == (method["name"] == "lora")
    texts = [gate["text"] for gate in job.report.gates]
    assert texts[0].startswith("intent.accuracy") and texts[1].startswith("eval_loss")
    model, _ = load_trained(job.trained.folder, dtype=job.dtype)
    base = model.get_base_model() if method["name"] == "lora" else model
    assert isinstance(base, MultiHeadModel)
    page = (job.report.folder / "report.html").read_text()
    assert "Tasks in training" in page and "Gradient conflicts" in page and "<h3>entities</h3>" in page
    events = read_events(job.folder.events_path)
    mixture = next(event["tasks"] for event in events if event["kind"] == "mixture")
    assert mixture["entities"]["drawn"] == mixture["intent"]["drawn"] > mixture["entities"]["rows"]
    assert mixture["intent"]["rows"] + mixture["entities"]["rows"] == job.dataset.num_train
    step = next(event for event in events if event["kind"] == "train_step")
    assert set(step["tasks"]) == {"intent", "entities"}


def test_a_gate_of_a_task_stops_the_run(tmp_path: Path) -> None:
    gates = [{"metric": "f1", "task": "entities", "min": 1.0}]
    path = write_headed(tmp_path, gates=gates, train={"max_steps": 1, "warmup_steps": 0})
    with pytest.raises(GateFailedError, match=r"entities\.f1"):
        run(make_plan(load(path)))


def test_rows_of_another_task_than_their_source_are_counted(tmp_path: Path) -> None:
    path = write_headed(tmp_path)
    rows = json.loads((tmp_path / "intents.json").read_text())
    rows[0]["task"], rows[1]["task"] = "entities", "intent"
    (tmp_path / "intents.json").write_text(json.dumps(rows))
    job = run(make_plan(load(path)), until="data")
    budget = read_json(job.dataset.folder / "label_budget.json")
    assert "other_task" in json.dumps(budget)
    assert job.dataset.num_rejected == 1


def test_a_generative_mixture_is_measured_task_by_task(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    rows = json.loads((tmp_path / "rows.json").read_text())
    (tmp_path / "warm.json").write_text(json.dumps(rows[::2]))
    (tmp_path / "cold.json").write_text(json.dumps(rows[1::2]))
    recipe = yaml.safe_load(path.read_text())
    recipe["data"]["train"] = [{"path": f"{name}.json", "task": name} for name in ("warm", "cold")]
    recipe["objective"] = {
        "name": "multitask",
        "tasks": [{"name": name, "objective": {"name": "sft"}} for name in ("warm", "cold")],
        "sampling": {"name": "rates", "rates": {"warm": 3.0, "cold": 1.0}},
        "loss_weights": {"name": "static", "weights": {"cold": 2.0}},
    }
    recipe["gates"] = [{"metric": "eval_loss", "task": "cold", "relative_to": "base", "better_by": -9.0}]
    path.write_text(yaml.safe_dump(recipe))
    job = run(make_plan(load(path)))
    assert job.report is not None and job.report.passed
    metrics = {metric["metric"]: metric for metric in job.report.metrics}
    assert {"eval_loss", "warm.eval_loss", "cold.perplexity", "warm.rouge_l"} <= metrics.keys()
    whole = metrics["eval_loss"]["num_rows"]
    assert metrics["warm.eval_loss"]["num_rows"] + metrics["cold.eval_loss"]["num_rows"] == whole
    assert job.plan.recipe.objective.count_by == "items"  # type: ignore[union-attr]
    mixture = next(e["tasks"] for e in read_events(job.folder.events_path) if e["kind"] == "mixture")
    assert mixture["warm"]["drawn"] == pytest.approx(3 * mixture["cold"]["drawn"], rel=0.1)
