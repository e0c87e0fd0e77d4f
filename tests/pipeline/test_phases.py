"""Pretraining and then the task, from one recipe: one command, one receipt that names both, nothing done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from luthier.core.files import read_json
from luthier.models.load import load_trained
from tests.tiny_job import COLOURS, luthier, write_recipe


def _write(folder: Path, **changes: Any) -> Path:
    text = [f"The {colour} fox sees the {colour} dog." for colour in COLOURS] * 3
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in text))
    phase = {
        "name": "pretraining",
        "objective": {"name": "pretraining"},
        "data": {
            "train": [{"path": "corpus.jsonl"}],
            "clean": {"deduplicate": "off"},
            "eval": {"split": 0.25},
            "max_length": 64,
        },
        **changes,
    }
    return write_recipe(folder, before=[phase])


def _of(folder: Path, name: str) -> Path:
    (found,) = [path for path in (folder / "runs").iterdir() if path.name.rsplit("-", 1)[0] == name]
    return found


def test_one_recipe_pretrains_and_then_tunes(tmp_path: Path) -> None:
    recipe = _write(tmp_path)
    done = luthier("run", recipe, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, last = _of(tmp_path, "tiny.pretraining"), _of(tmp_path, "tiny")
    (told,) = read_json(last / "receipt.json")["before"]
    assert told["run"] == first.name
    assert told["objective"] == "pretraining"
    before, after = told["metrics"]["eval_loss"]
    assert after < before
    assert read_json(first / "receipt.json")["train"]["trained_parameters"] == told["parameters"]
    assert first.name in done.stdout
    assert first.name in (last / "report" / "report.html").read_text(encoding="utf-8")
    # The task's adapter lies over the pretrained weights, and is loaded over them.
    record = read_json(last / "model" / "luthier.json")
    assert Path(record["base"]) == (first / "whole").resolve()
    import torch

    load_trained(last / "model", dtype=torch.float32)

    again = luthier("run", recipe, cwd=tmp_path)
    assert again.returncode == 0
    assert again.stderr.count("train: cached") == 2
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_the_whole_model_of_a_phase_equals_its_adapter(tmp_path: Path) -> None:
    import torch

    assert luthier("run", _write(tmp_path), cwd=tmp_path).returncode == 0
    first = _of(tmp_path, "tiny.pretraining")
    ids = torch.tensor([[5, 9, 40, 77]])
    with torch.no_grad():
        adapted, whole = (
            load_trained(first / name, dtype=torch.float32)[0](input_ids=ids).logits
            for name in ("model", "whole")
        )
    torch.testing.assert_close(adapted, whole, atol=2e-5, rtol=1e-4)


def test_a_phase_may_train_whole_weights_and_grow_the_vocabulary(tmp_path: Path) -> None:
    recipe = _write(
        tmp_path,
        method={"name": "full"},
        vocabulary={"add_tokens": ["black", "white"]},
        train={"max_steps": 3},
    )
    done = luthier("run", recipe, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, last = _of(tmp_path, "tiny.pretraining"), _of(tmp_path, "tiny")
    assert not (first / "whole").exists()
    hashes = [read_json(run / "model" / "luthier.json")["tokenizer_hash"] for run in (first, last)]
    assert hashes[0] == hashes[1]


def test_faults_of_a_phase_stand_at_their_place(tmp_path: Path) -> None:
    recipe = _write(tmp_path, train={"warmup_steps": 3, "warmup_ratio": 0.1})
    done = luthier("plan", recipe, cwd=tmp_path)
    assert done.returncode == 2
    assert "before[0].train.warmup_ratio" in done.stderr


def test_a_changed_task_leaves_the_pretraining_as_it_is(tmp_path: Path) -> None:
    recipe = _write(tmp_path)
    assert luthier("run", recipe, "--until", "train", cwd=tmp_path).returncode == 0
    values = yaml.safe_load(recipe.read_text())
    values["train"]["learning_rate"] = 0.02
    values["before"][0]["train"] = {**values["train"], "learning_rate": 0.01}
    recipe.write_text(yaml.safe_dump(values))
    done = luthier("run", recipe, "--until", "train", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("train: cached") == 1
