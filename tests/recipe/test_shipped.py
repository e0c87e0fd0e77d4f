"""Every shipped recipe loads, resolves, and trains on a tiny model."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from luthier.recipe.shipped import headline, shipped_recipe, shipped_recipes
from tests.tiny_job import save_tiny_base, write_rows

NUM_RECIPES = 12
"""Raised with each recipe that is added, so that a package without its recipes fails here."""
TEXT = "\n\n".join(f"The quick brown fox number {n} jumps over the lazy dog at noon." for n in range(60))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers more than the usual tiny model: one recipe trains the last four."""
    from tests.models.tiny_chat import make_chat_llama

    folder = save_tiny_base(tmp_path_factory.mktemp("base"))
    sizes = {"num_hidden_layers": 4, "max_position_embeddings": 2048, "initializer_range": 0.05}
    make_chat_llama(**sizes).save_pretrained(folder)
    return folder


def copied(name: str, folder: Path) -> Path:
    """Copy a recipe as `luthier init` does, and put rows where it looks for them."""
    source = shipped_recipes()[name]
    recipe = folder / source.name
    shutil.copy(source, recipe)
    if (source.parent / name).is_dir():
        shutil.copytree(source.parent / name, folder / name)
    rows = json.loads(write_rows(folder / "rows.json").read_text())
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "train.txt").write_text(TEXT)
    lines = [f"{row['instruction']},{'warm' if 'red' in row['output'] else 'cold'}\n" for row in rows]
    (folder / "train.csv").write_text("text,label\n" + "".join(lines))
    for file, own in (("general.jsonl", rows[::2]), ("problems.jsonl", rows[1::2])):
        (folder / file).write_text("".join(json.dumps(row) + "\n" for row in own))
    (folder / "intents.csv").write_text("text,label\n" + "".join(lines))
    words = [row["output"].rstrip(".").split() for row in rows]
    tags = [["O", "O", "O", "B-colour", "B-animal"] for _ in words]
    sentences = (
        "".join(f"{w}\t{t}\n" for w, t in zip(*pair, strict=True)) for pair in zip(words, tags, strict=True)
    )
    (folder / "entities.conll").write_text("\n".join(sentences))
    shutil.copy(folder / "entities.conll", folder / "train.conll")
    asked = [{"question": row["instruction"], "context": f"{row['output']} It was noon."} for row in rows]
    for row in asked:
        animal = row["context"].split()[4].rstrip(".")
        row["answers"] = [{"text": animal, "answer_start": row["context"].index(animal)}]  # type: ignore[assignment]
    (folder / "train.json").write_text(json.dumps(asked))
    return recipe


def test_the_recipes_are_counted() -> None:
    assert len(shipped_recipes()) == NUM_RECIPES
    assert shipped_recipe("quickstart") == shipped_recipes()["quickstart"]
    assert shipped_recipe("absent") is None


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_says_what_it_is_for_and_carries_its_own_name(name: str) -> None:
    path = shipped_recipes()[name]
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert headline(path).endswith(".") and not headline(path).startswith("#")
    assert load(path).recipe.name == name


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_is_planned_as_it_is(name: str, base: Path, tmp_path: Path) -> None:
    plan = make_plan(load(copied(name, tmp_path), [f"model.base={base}"]))
    assert plan.trainable.num_trainable > 0
    assert plan.recipe.gates, "a recipe without a gate registers whatever comes out"


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_trains_two_steps(name: str, base: Path, tmp_path: Path) -> None:
    overrides = [f"model.base={base}", f"runs_dir={tmp_path / 'runs'}", "model.dtype=float32", "gates=[]"]
    overrides += ["register=null", "train.max_steps=2", "evaluate.bootstrap_samples=50"]
    written = load(copied(name, tmp_path)).origins
    loaded = load(tmp_path / f"{name}.yaml")
    if "train.num_train_epochs" in written:  # cannot stand beside max_steps
        text = (tmp_path / f"{name}.yaml").read_text()
        lines = [line for line in text.splitlines() if "num_train_epochs" not in line]
        (tmp_path / f"{name}.yaml").write_text("\n".join(lines))
    if loaded.recipe.objective.is_chat:
        overrides += ["evaluate.num_generations=2", "evaluate.max_new_tokens=4"]
    job = run(make_plan(load(tmp_path / f"{name}.yaml", overrides)))
    assert job.trained.num_steps == 2
    assert job.trained.tensors_moved[0] > 0
    assert job.trained.eval_loss is not None and math.isfinite(job.trained.eval_loss)
    assert job.report is not None and (job.report.folder / "report.html").is_file()
