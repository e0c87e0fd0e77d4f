"""The report is made anew where a file that it follows from has changed, also one that no key of the recipe names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from luthier.pipeline.evaluation import asked_hash
from luthier.recipe.load import load
from tests.tiny_job import write_recipe


def _hash(folder: Path, evaluate: dict[str, Any]) -> str:
    recipe = load(write_recipe(folder, evaluate=evaluate)).recipe
    job: Any = SimpleNamespace(recipe=recipe, plan=SimpleNamespace(recipe_folder=folder))
    return asked_hash(job)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _check(folder: Path, evaluate: dict[str, Any], changed: str, unread: str) -> None:
    """See that the hash follows one file's being there and its content, and not those of another."""
    before = _hash(folder, evaluate)
    _write(folder / unread, "a")
    assert _hash(folder, evaluate) == before
    _write(folder / changed, "a")
    laid = _hash(folder, evaluate)
    _write(folder / changed, "b")
    assert len({before, laid, _hash(folder, evaluate)}) == 3


def test_bbqs_table_beside_the_files(tmp_path: Path) -> None:
    _write(tmp_path / "bbq" / "Age.jsonl", "{}")
    fairness = {"bbq": ["bbq/Age.jsonl"]}
    _check(tmp_path, {"fairness": fairness}, "bbq/additional_metadata.csv", "additional_metadata.csv")


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("file", ["index.verb", "data.noun", "noun.exc", "cntlist.rev"])
def test_wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, is_named: bool) -> None:
    _write(tmp_path / "wordnet" / "index.noun", "a")
    robustness: dict[str, Any] = {"attacks": ["synonyms"]}
    if is_named:
        robustness["wordnet"] = str(tmp_path / "wordnet")
    else:
        monkeypatch.setenv("WNSEARCHDIR", str(tmp_path / "wordnet"))
    _check(tmp_path, {"robustness": robustness}, f"wordnet/{file}", "wordnet/README")


ENCODER_FILES = ["model.safetensors", "tokenizer.json", "vocab.txt", "1_Pooling/config.json"]


@pytest.mark.parametrize("file", ENCODER_FILES)
def test_the_embedder_of_robustness(tmp_path: Path, file: str) -> None:
    robustness = {"attacks": ["typing"], "min_similarity": 0.9, "embedder": "encoder"}
    _check(tmp_path, {"robustness": robustness}, f"encoder/{file}", "encoder/README.md")


@pytest.mark.parametrize("file", ENCODER_FILES)
def test_the_encoder_of_bert_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.chdir(tmp_path)
    evaluate = {"metrics": ["bert_score"], "bert_score_encoder": "encoder"}
    _check(tmp_path, evaluate, f"encoder/{file}", "encoder/README.md")
