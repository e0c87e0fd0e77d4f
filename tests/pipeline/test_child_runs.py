"""Cross-validation and learning curves as a user runs them, on a tiny model; done again, nothing is made anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import luthier.pipeline.stages as stages
from luthier.core.events import read_events
from luthier.core.files import read_json
from luthier.data.sample import Message, Sample
from luthier.data.train_share import Share
from luthier.evaluate.fitting.power_law import MUCH_MISFIT
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from tests.tiny_job import luthier, write_recipe


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    train = {
        "learning_rate": 0.01,
        "num_train_epochs": 2,
        "per_device_train_batch_size": 8,
        "report_to": [],
        "early_stopping_patience": 1,
    }
    evaluate = {"num_generations": 0, "bootstrap_samples": 100, "fitting": {"rows": 4}}
    gates = [{"metric": "fitting.gap", "max": -100.0}]
    return write_recipe(tmp_path_factory.mktemp("job"), train=train, evaluate=evaluate, gates=gates)


def states(run_folder: str) -> set[str]:
    last = {
        e["stage"]: e["status"]
        for e in read_events(Path(run_folder) / "events.jsonl")
        if e["kind"] == "stage"
    }
    return set(last.values())


def output(*arguments: object, cwd: Path) -> Any:
    done = luthier(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_row_is_held_out_once_and_chooses_nothing(recipe: Path) -> None:
    found = output("cross-validate", recipe, "--folds", 3, cwd=recipe.parent)
    assert sum(found["num_eval"]) == 48 and len(set(found["runs"])) == 3
    held_out = [
        line
        for folder in found["runs"]
        for line in (Path(folder) / "rows" / "eval.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len(held_out) == len(set(held_out)) == 48
    for folder in found["runs"]:
        values = read_json(Path(folder) / "plan.json")["values"]
        assert values["train.load_best_model_at_end"]["value"] is False
        assert values["train.early_stopping_patience"]["value"] > 1000
    loss = next(each for each in found["metrics"] if each["metric"] == "eval_loss")
    assert loss["mean"]["value"] == pytest.approx(sum(loss["values"]) / 3)
    assert loss["mean"]["low"] < min(loss["values"]) and loss["mean"]["high"] > max(loss["values"])
    assert loss["difference"]["value"] < 0 and loss["p_value"] < 0.2
    cleaned = [  # by the first fold for all
        sum(
            e["kind"] == "step" and e["name"] == "exact duplicates"
            for e in read_events(Path(f) / "events.jsonl")
        )
        for f in found["runs"]
    ]
    assert cleaned == [1, 0, 0]
    again = output("cross-validate", recipe, "--folds", 3, cwd=recipe.parent)
    assert again == found and all(states(folder) == {"cached"} for folder in again["runs"])


def test_a_learning_curve_trains_shares_on_the_same_held_out_rows(recipe: Path) -> None:
    found = output("learning-curve", recipe, "--shares", "0.3,0.6,1.0", cwd=recipe.parent)
    assert found["num_train"] == sorted(found["num_train"]) and found["num_train"][-1] == 36
    evals = {(Path(folder) / "rows" / "eval.jsonl").read_bytes() for folder in found["runs"]}
    assert len(evals) == 1
    assert found["forecast"]["rows"] == 72
    assert found["forecast"]["loss"]["low"] <= found["forecast"]["loss"]["high"]
    is_sound = found["forecast"]["misfit"] <= MUCH_MISFIT
    assert ("twice as many" if is_sound else "no power law") in found["verdict"]
    shown = luthier("learning-curve", recipe, "--shares", "0.3,0.6,1.0", cwd=recipe.parent)
    assert ("expected" in shown.stdout) is ("× rows^-" in shown.stdout) is is_sound


@pytest.mark.parametrize("shares", ["0.1,0.5", "0.1,0.1,1.0", "0,0.5,1", "some"])
def test_shares_that_make_no_curve_are_refused(recipe: Path, shares: str) -> None:
    done = luthier("learning-curve", recipe, "--shares", shares, cwd=recipe.parent)
    assert done.returncode != 0 and "--shares" in done.stderr


def test_too_many_folds_are_refused_by_the_rows(recipe: Path) -> None:
    done = luthier("cross-validate", recipe, "--folds", 60, cwd=recipe.parent)
    assert done.returncode != 0 and "cannot be divided into 60 folds" in done.stderr


@pytest.mark.parametrize("command", [("cross-validate", "--folds", 3), ("learning-curve",)])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("data.train=[{path: broken.json}]",), "broken.json"),
        (("data.train=[{path: rows.jsn}]",), "rows.jsn"),
        (("train.learning_rat=1",), "did you mean `learning_rate`"),
    ],
)
def test_bad_input_is_told_before_anything_is_trained(
    recipe: Path, command: tuple[object, ...], changes: tuple[str, ...], words: str
) -> None:
    (recipe.parent / "broken.json").write_text('[{"instruction": "a", ', encoding="utf-8")
    overrides = [part for change in changes for part in ("--set", change)]
    done = luthier(*command, recipe, "--set", "runs_dir=other", *overrides, cwd=recipe.parent)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert not list((recipe.parent / "other").glob("*/model"))


def test_an_interrupted_series_goes_on_where_it_stopped(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("cross-validate", recipe, "--folds", 3, "--set", "runs_dir=cut", "--set", "seed=7")
    own, trained = stages.train, []

    def interrupted(*positional: Any, **options: Any) -> Any:
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(options["run_folder"])
        return own(*positional, **options)

    monkeypatch.setattr(stages, "train", interrupted)
    cut = luthier(*arguments, cwd=recipe.parent)
    assert cut.returncode != 0
    monkeypatch.setattr(stages, "train", lambda *p, **o: (trained.append(o["run_folder"]), own(*p, **o))[1])
    found = output(*arguments, cwd=recipe.parent)
    assert len(trained) == len(set(trained)) == 3 and len(found["runs"]) == 3


def test_a_share_is_told_and_takes_part_of_the_rows(recipe: Path) -> None:
    settings = ["data.train_share=0.5", "gates=[]"]
    job = run(make_plan(load(recipe, settings)), until="data")
    assert 8 < job.dataset.num_train < 28 and job.dataset.num_eval == 12
    assert f"{job.dataset.num_train} of 36 training rows are trained" in " ".join(job.dataset.notices)


def test_a_smaller_share_is_part_of_a_larger_one() -> None:
    samples = [
        Sample("a", n, messages=(Message("user", str(n)), Message("assistant", "x"))) for n in range(2000)
    ]
    taken = {share: {s.row for s in samples if Share(share, 7).takes(s)} for share in (0.1, 0.3, 1.0)}
    assert taken[0.1] < taken[0.3] < taken[1.0] and len(taken[1.0]) == 2000
    assert 140 < len(taken[0.1]) < 260 and 500 < len(taken[0.3]) < 700
    assert taken[0.1] != {s.row for s in samples if Share(0.1, 8).takes(s)}
