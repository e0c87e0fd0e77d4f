"""A run whose vocabulary grows: from the rows to a served answer, in small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.core.files import read_json
from luthier.data.sample import Message
from luthier.models.chat_model import ChatModel
from tests.tiny_job import luthier, write_recipe


def _run(folder: Path, **sections: Any) -> tuple[Path, dict[str, Any]]:
    recipe = write_recipe(folder, **sections)
    done = luthier("run", recipe, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    run = next((folder / "runs").glob("tiny-*"))
    return run, read_json(run / "receipt.json")


@pytest.mark.parametrize(
    "vocabulary",
    [
        {"add_tokens": "auto", "min_frequency": 4, "max_new_tokens_added": 6},
        {"add_tokens": ["black", "white", "brown"]},
        {"new_vocab_size": 330},
    ],
    ids=["auto", "list", "new"],
)
def test_a_run_adds_tokens_and_serves_them(tmp_path: Path, vocabulary: dict[str, Any]) -> None:
    run, receipt = _run(tmp_path, vocabulary=vocabulary)
    told = receipt["vocabulary"]
    before, after = (told["fertility"]["eval"][when]["tokens_per_word"] for when in ("before", "after"))
    assert after < before
    assert told["tokens_added"] > 0
    model = ChatModel.from_folder(run / "model")
    assert model.vocabulary_size == told["embedding_rows"]
    ids = model.prompt_ids([Message("user", "What is the black fox?")])
    assert max(ids) < told["embedding_rows"]
    report = read_json(run / "report" / "report.json")
    assert report["same_text"]["left_out"] == 0
    loss = next(m for m in report["metrics"] if m["metric"] == "eval_loss")
    ratio = loss["tuned"]["value"] / loss["base"]["value"]
    assert ratio == pytest.approx(report["same_text"]["tuned"] / report["same_text"]["base"])
    assert receipt["evaluate"]["reload"]["relative_difference"] < 1e-3
    assert receipt["evaluate"]["merge"]["largest_logit_difference"] < 1e-3
    assert read_json(run / "model" / "tokenizer_config.json")


def test_tokens_are_added_to_a_base_in_4_bits(tmp_path: Path) -> None:
    """Only matrices inside the layers are packed: the embedding grows as over any base."""
    pytest.importorskip("bitsandbytes")
    model = {"base": "base", "dtype": "float32", "load_in_4bit": True}
    run, receipt = _run(tmp_path, vocabulary={"add_tokens": ["black", "white", "brown"]}, model=model)
    told = receipt["vocabulary"]
    assert told["tokens_added"] == 3
    assert receipt["evaluate"]["reload"]["relative_difference"] < 1e-3
    served = ChatModel.from_folder(run / "model")
    assert served.vocabulary_size == told["embedding_rows"]
    merged = luthier("export", run, "--merged", "-o", "whole", "--json", cwd=tmp_path)
    assert merged.returncode == 0, merged.stderr
    assert json.loads(merged.stdout)["logit_difference"] < 1e-3
    assert ChatModel.from_folder(tmp_path / "whole").vocabulary_size == told["embedding_rows"]


def test_the_plan_counts_what_the_run_trains_and_a_second_run_finds_it(tmp_path: Path) -> None:
    sections = {"vocabulary": {"add_tokens": ["black", "white", "zebra"]}, "evaluate": {"num_generations": 0}}
    recipe = write_recipe(tmp_path, **sections)
    planned = luthier("plan", recipe, "--json", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    done = luthier("run", recipe, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 not_in_the_training_rows" in done.stderr
    run = next((tmp_path / "runs").glob("tiny-*"))
    trained = read_json(run / "receipt.json")["train"]["trained_parameters"]
    assert json.loads(planned.stdout)["trainable"]["num_trainable"] == trained
    again = luthier("run", recipe, cwd=tmp_path)
    assert "vocabulary: cached" in again.stderr and "train: cached" in again.stderr


def test_nothing_to_add_is_refused(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, vocabulary={"add_tokens": ["zebra"]})
    done = luthier("run", recipe, cwd=tmp_path)
    assert done.returncode == 2
    assert "no token would be added (1 not_in_the_training_rows)" in done.stderr


def test_a_killed_run_goes_on_with_the_same_tokens(tmp_path: Path) -> None:
    """Stopped after training, the report is made from the saved tokenizer alone."""
    recipe = write_recipe(tmp_path, vocabulary={"add_tokens": ["black"]}, evaluate={"num_generations": 0})
    assert luthier("run", recipe, "--until", "train", cwd=tmp_path).returncode == 0
    done = luthier("run", recipe, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "train: cached" in done.stderr
    run = next((tmp_path / "runs").glob("tiny-*"))
    html = (run / "report" / "report.html").read_text(encoding="utf-8")
    assert "Tokens a word" in html and "nats a character" in html
