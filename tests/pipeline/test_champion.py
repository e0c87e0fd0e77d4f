"""Gates relative to the registered champion: the same rows, the same metrics, a paired interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import GateFailedError
from luthier.core.files import read_json
from luthier.pipeline.job import Job
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from luthier.registry.mlflow_registry import Registry
from tests.tiny_job import write_recipe

GATE = {"metric": "eval_loss", "relative_to": "champion", "better_by": 0.05}


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose registry has a weak champion: little training."""
    folder = tmp_path_factory.mktemp("champion")
    first = write_recipe(
        folder, name="first", gates=[{**GATE, "without_champion": "pass"}],
        register={"name": "tiny", "alias": "champion", "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}"},
    )  # fmt: skip
    job = do(first, "train.num_train_epochs=0.5")
    assert "without_champion: pass" in job.report.gates[0]["text"]
    return folder


def do(recipe: Path, *overrides: str) -> Job:
    return run(make_plan(load(recipe, overrides)))


def challenger(folder: Path, **gate: Any) -> Path:
    section = {"name": "tiny", "alias": "candidate", "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}"}
    return write_recipe(folder, name="second", gates=[{**GATE, **gate}], register=section)


def test_a_champion_that_was_changed_after_registration_fails_closed(registered: Path) -> None:
    (weights,) = (registered / "mlartifacts").rglob("adapter_model.safetensors")
    before = weights.read_bytes()
    weights.write_bytes(before[:-4] + b"\0\0\1\0")
    try:
        with pytest.raises(GateFailedError, match="cannot be compared with"):
            do(challenger(registered, without_champion="pass"), "train.num_train_epochs=0.5")
    finally:
        weights.write_bytes(before)


def test_a_better_model_passes_and_the_report_compares_with_the_version(registered: Path) -> None:
    job = do(challenger(registered))
    report = read_json(job.folder.path / "report" / "report.json")
    assert report["champion"]["uri"] == "models:/tiny/1"
    (loss,) = (m for m in report["champion"]["comparisons"] if m["metric"] == "eval_loss")
    its_run = next(path for path in (registered / "runs").iterdir() if path.name.startswith("first-"))
    first = next(
        m for m in read_json(its_run / "report" / "report.json")["metrics"] if m["metric"] == "eval_loss"
    )
    # The same weights on the same rows: what its own run measured of it.
    assert loss["base"]["value"] == pytest.approx(first["tuned"]["value"], rel=1e-5)
    assert loss["improvement"]["low"] >= 0.05
    assert "Champion against result" in (job.folder.path / "report" / "report.html").read_text(
        encoding="utf-8"
    )


def test_a_model_that_is_no_better_fails(registered: Path) -> None:
    with pytest.raises(GateFailedError, match="better than the champion"):
        do(challenger(registered), "train.num_train_epochs=0.5", "seed=7")


def test_another_champion_makes_another_report(registered: Path) -> None:
    first = do(challenger(registered, better_by=-9.0))
    registry = Registry(f"sqlite:///{registered / 'mlflow.db'}")
    registry.promote("tiny", registry.resolve("models:/tiny@candidate").number, "champion")
    try:
        again = do(challenger(registered, better_by=-9.0))
        assert (
            again.report.fingerprint == first.report.fingerprint
        )  # its own version: the one it replaced is asked
        with pytest.raises(GateFailedError):
            do(challenger(registered), "train.num_train_epochs=1")
    finally:
        registry.rollback("tiny", "champion")


def test_without_a_champion_the_gate_fails_unless_the_recipe_says_so(tmp_path: Path) -> None:
    with pytest.raises(GateFailedError, match="no version of tiny has the alias champion yet"):
        do(challenger(tmp_path), "train.num_train_epochs=0.5")


def test_figures_of_examinations_are_compared_with_it(registered: Path) -> None:
    name = "fitting.train_loss"
    gates = [{"metric": name, "relative_to": "champion", "better_by": 0.05}]
    section = {
        "name": "tiny",
        "alias": "candidate",
        "tracking_uri": f"sqlite:///{registered / 'mlflow.db'}",
    }
    evaluate = {"num_generations": 0, "bootstrap_samples": 200, "fitting": {}}
    recipe = write_recipe(registered, name="third", gates=gates, register=section, evaluate=evaluate)
    job = do(recipe)
    report = read_json(job.folder.path / "report" / "report.json")
    assert report["champion"]["gains"][name]["interval"]["low"] >= 0.05
    assert "Improvement over models:/tiny/1" in (job.folder.path / "report" / "report.html").read_text(
        encoding="utf-8"
    )
    # Another seed divides the rows otherwise: the champion has then seen rows that this model has not.
    with pytest.raises(GateFailedError, match="was trained on other rows"):
        do(recipe, "seed=7", "train.num_train_epochs=0.5")
