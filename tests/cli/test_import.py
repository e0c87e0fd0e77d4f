"""`luthier import`: what is written, what is said, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from luthier.cli.main import cli
from luthier.core.errors import LuthierError
from luthier.recipe.load import load

THEIRS = """\
model_name_or_path: base
stage: sft
finetuning_type: lora
lora_rank: 4
lora_target: all
dataset: rows
template: qwen
cutoff_len: 512
learning_rate: 2e-4
num_train_epochs: 2
overwrite_cache: true
packing: true
an_own_key: 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.yaml").write_text(THEIRS)
    return tmp_path


def luthier_import(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["import", *arguments], catch_exceptions=False, standalone_mode=False)


def test_writes_a_recipe_that_loads(here: Path) -> None:
    result = luthier_import("theirs.yaml")
    recipe = load(here / "recipe.yaml").recipe
    assert (recipe.model.base, recipe.method.name, recipe.data.max_length) == ("base", "lora", 512)
    assert "recipe.yaml is written and loads without faults" in result.output


def test_says_what_became_of_each_key(here: Path) -> None:
    lines = luthier_import("theirs.yaml", "-o", "ours.yaml").output.splitlines()
    assert "  lora_rank → method.r" in lines
    assert "  an_own_key: `luthier import` does not know this key" in lines
    groups = [line.split(" (")[0] for line in lines if not line.startswith(" ")][:-1]
    assert groups == [
        "Translated",
        "Translated, with another meaning",
        "LLaMA-Factory's defaults, written out",
        "Not carried over",
        "Not needed here",
        "Check",
    ]
    for key in (line.split(":")[0] for line in THEIRS.splitlines()):
        assert any(line.startswith((f"  {key} →", f"  {key}:")) for line in lines), key


def test_json_is_all_that_is_printed(here: Path) -> None:
    report = json.loads(luthier_import("theirs.yaml", "--json").output)
    assert report["tool"] == "LLaMA-Factory"
    assert report["recipe"] == "recipe.yaml"
    kinds = {entry["key"]: entry["kind"] for entry in report["keys"]}
    assert kinds == {
        **dict.fromkeys((line.split(":")[0] for line in THEIRS.splitlines()), "translated"),
        "template": "dropped",
        "an_own_key": "dropped",
        "overwrite_cache": "unneeded",
    }
    assert {"path": "method.lora_alpha", "value": 8, "why": "LLaMA-Factory takes twice the rank"} in report[
        "defaults"
    ]


def test_never_overwrites_without_force(here: Path) -> None:
    (here / "recipe.yaml").write_text("mine")
    with pytest.raises(LuthierError, match="exists already"):
        luthier_import("theirs.yaml")
    assert (here / "recipe.yaml").read_text() == "mine"
    luthier_import("theirs.yaml", "--force")
    assert load(here / "recipe.yaml").recipe.model.base == "base"


def test_never_overwrites_what_it_reads(here: Path) -> None:
    with pytest.raises(LuthierError, match="exists already"):
        luthier_import("theirs.yaml", "-o", "theirs.yaml", "--force")
    assert (here / "theirs.yaml").read_text() == THEIRS


def test_writes_nothing_when_it_cannot_translate(here: Path) -> None:
    (here / "theirs.yaml").write_text(THEIRS.replace("stage: sft", "stage: dpo"))
    with pytest.raises(LuthierError, match="stage dpo is not supported yet"):
        luthier_import("theirs.yaml")
    with pytest.raises(LuthierError, match="no file at absent.yaml"):
        luthier_import("absent.yaml")
    assert not (here / "recipe.yaml").exists()
