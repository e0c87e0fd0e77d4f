"""Classification from a recipe to a registered, predicting model, with tiny bases and with the real encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from luthier.core.errors import DataError, RecipeError
from luthier.core.files import read_json
from luthier.pipeline.job import Job
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from luthier.recipe.objective_sections import ClassificationObjective
from tests.conftest import SHARED_DATA
from tests.models.tiny_encoder import save_tiny_encoder
from tests.tiny_job import ANIMALS, COLOURS, luthier, save_tiny_base

WARM = ("red", "pink", "brown")
FULL = {"name": "full"}
TRAIN = {"learning_rate": 0.01, "num_train_epochs": 4, "per_device_train_batch_size": 8, "report_to": []}


def _label(colour: str) -> str:
    return "warm" if colour in WARM else "cold"


def _rows(colours: tuple[str, ...] = COLOURS) -> list[dict[str, Any]]:
    return [
        {"text": f"a {colour} {animal}", "label": _label(colour)} for colour in colours for animal in ANIMALS
    ]


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _recipe(folder: Path, base: str = "encoder", **sections: Any) -> Path:
    if not (folder / base).is_dir():
        (folder / base).mkdir()
        save_tiny_encoder(folder / base) if base == "encoder" else save_tiny_base(folder / base)
    if not (folder / "rows.jsonl").is_file():
        _write(folder / "rows.jsonl", _rows())
    recipe: dict[str, Any] = {
        "name": "colours",
        "runs_dir": str(folder / "runs"),
        "model": {"base": base, "dtype": "float32"},
        "data": {"train": [{"path": "rows.jsonl"}], "eval": {"split": 0.25}},
        "objective": {"name": "classification"},
        "method": FULL,
        "train": TRAIN,
        "evaluate": {"bootstrap_samples": 200},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe, **sections}))
    return path


def _done(recipe: Path, until: str | None = None) -> Job:
    return run(make_plan(load(recipe)), until=until)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("base", ["encoder", "decoder"])
@pytest.mark.parametrize("method", [FULL, {"name": "lora", "r": 4}], ids=["full", "lora"])
def test_a_recipe_makes_a_classifier(base: str, method: dict[str, Any], tmp_path: Path) -> None:
    gate = {"metric": "accuracy", "relative_to": "baseline", "better_by": -0.9}
    job = _done(_recipe(tmp_path, base, method=method, gates=[gate]))
    assert job.dataset.learned["labels"] == ["cold", "warm"]
    report = job.report
    assert report is not None and report.passed
    found = {metric["metric"]: metric for metric in report.metrics}
    assert list(found) == ["eval_loss", *ClassificationObjective.metrics]
    assert found["eval_loss"]["tuned"]["value"] < found["eval_loss"]["base"]["value"], "it learnt nothing"
    assert all(metric["partner"] == "baseline" for metric in report.metrics)
    assert report.proofs["reload"]["relative_difference"] < 1e-3
    assert ("merge" in report.proofs) == (method != FULL)
    content = read_json(report.folder / "report.json")
    assert content["task"]["labels"] == ["cold", "warm"]
    page = (report.folder / "report.html").read_text()
    for told in ("Baseline against result", "Confusion matrix", "Each class", "Matthews correlation"):
        assert told in page
    said = _predicted(job, tmp_path, "a red fox", "a green dog")
    assert [set(line["probabilities"]) for line in said] == [{"cold", "warm"}] * 2
    assert all(sum(line["probabilities"].values()) == pytest.approx(1.0, abs=1e-5) for line in said)


def _predicted(job: Job, folder: Path, *texts: str) -> list[dict[str, Any]]:
    options = [option for text in texts for option in ("--text", text)]
    done = luthier("predict", job.folder.path, *options, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_predicted_is_what_was_evaluated(tmp_path: Path) -> None:
    """The command on the held-out texts says what the report says about them."""
    job = _done(_recipe(tmp_path))
    held = [row for row in read_lines(job.folder.path / "rows" / "eval.jsonl")]
    _write(tmp_path / "held.jsonl", [{"sentence": row["text"]} for row in held])
    done = luthier(
        "predict", job.folder.path, tmp_path / "held.jsonl", "--column", "text=sentence", "-o", "said.jsonl",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = read_lines(tmp_path / "said.jsonl")
    right = sum(line["label"] == row["label"] for line, row in zip(said, held, strict=True))
    assert job.report is not None
    accuracy = next(m for m in job.report.metrics if m["metric"] == "accuracy")["tuned"]["value"]
    assert right / len(held) == pytest.approx(accuracy)


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_several_labels_and_pairs(tmp_path: Path) -> None:
    rows = [
        {
            "text": f"a {colour}",
            "text_pair": animal,
            "label": [_label(colour)] * (animal != "bat") + ["long"] * (colour > "g"),
        }
        for colour in COLOURS
        for animal in ANIMALS
    ]
    _write(tmp_path / "rows.jsonl", rows)
    objective = {"name": "classification", "problem": "multi_label", "class_weights": "balanced"}
    job = _done(_recipe(tmp_path, objective=objective))
    assert job.dataset.learned["labels"] == ["cold", "long", "warm"]
    options = ("--text", "a red", "--text-pair", "fox", "--threshold", "0.0", "--json")
    done = luthier("predict", job.folder.path, *options, cwd=tmp_path)
    assert sorted(json.loads(done.stdout)["labels"]) == ["cold", "long", "warm"]


def test_a_resumed_run_has_the_same_weights(tmp_path: Path) -> None:
    """A new head follows from the seed, so that a run that goes on is the run that was not stopped."""
    whole = _done(_recipe(tmp_path), until="train")
    again = run(make_plan(load(_recipe(tmp_path))), until="train", fresh=True)
    one, other = ((job.trained.folder / "model.safetensors").read_bytes() for job in (whole, again))
    assert one == other


def test_the_plan_counts_the_head_and_keeps_to_the_positions_of_the_base(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, method={"name": "lora", "r": 2})
    done = luthier("plan", recipe, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    explained = json.loads(done.stdout)
    job = _done(recipe, until="train")
    assert explained["trainable"]["num_trainable"] == job.trained.num_trainable > 0
    assert explained["forecast"]["num_steps"] == job.trained.num_steps
    assert explained["values"]["data.max_length"] == {"value": 40, "from": "derived: positions of the base"}
    assert not explained["plain_path"]


class TestBadInput:
    def test_evaluation_rows_of_another_class_are_left_out_and_told(self, tmp_path: Path) -> None:
        _write(tmp_path / "eval.jsonl", [*_rows(("red", "grey")), {"text": "a clear fox", "label": "none"}])
        data = {
            "train": [{"path": "rows.jsonl"}],
            "eval": {"sources": [{"path": "eval.jsonl"}]},
            "clean": {"deduplicate": "off"},
        }
        job = _done(_recipe(tmp_path, data=data), until="data")
        assert job.dataset.num_eval == 12
        assert any("1 unknown_label" in notice for notice in job.dataset.notices)
        left_out = read_lines(job.dataset.folder / "rejected.jsonl")
        assert "'none' is no class of the training rows" in left_out[-1]["detail"]

    def test_one_class_only(self, tmp_path: Path) -> None:
        _write(tmp_path / "rows.jsonl", _rows(WARM))
        with pytest.raises(DataError, match="all 14 training rows have the class 'warm'"):
            _done(_recipe(tmp_path))

    def test_a_class_without_rows(self, tmp_path: Path) -> None:
        objective = {"name": "classification", "labels": ["cold", "warm", "hot"]}
        with pytest.raises(DataError, match="1 of 3 classes have no training row: 'hot'"):
            _done(_recipe(tmp_path, objective=objective))

    def test_unlabelled_rows(self, tmp_path: Path) -> None:
        _write(tmp_path / "rows.jsonl", [{"text": row["text"]} for row in _rows()])
        with pytest.raises(DataError, match="no training row has a label"):
            _done(_recipe(tmp_path))

    @pytest.mark.parametrize(
        ("weights", "words"),
        [
            ("balancd", "none, balanced, or a factor"),
            ({"warm": -1.0}, "factor of .warm. is -1.0"),
            (3, "none, balanced"),
        ],
    )
    def test_wrong_class_weights_are_one_fault(self, weights: Any, words: str, tmp_path: Path) -> None:
        with pytest.raises(RecipeError, match=words) as caught:
            load(_recipe(tmp_path, objective={"name": "classification", "class_weights": weights}))
        assert [fault.path for fault in caught.value.faults] == ["objective.class_weights"]

    def test_a_typo_in_the_recipe(self, tmp_path: Path) -> None:
        objective = {"name": "classification", "focal_gama": 2.0}
        with pytest.raises(RecipeError, match="did you mean `focal_gamma`"):
            load(_recipe(tmp_path, objective=objective))

    @pytest.mark.parametrize(
        ("sections", "words"),
        [
            ({"evaluate": {"metrics": ["perplexity"]}}, "perplexity cannot be measured"),
            ({"evaluate": {"num_generations": 2}}, "classification has no prompts"),
            ({"gates": [{"metric": "accuracy", "relative_to": "base", "better_by": 0.1}]}, "the base's head is random"),
            ({"gates": [{"metric": "rouge_l", "min": 0.1}]}, "rouge_l is not measured"),
            ({"gates": [{"metric": "mcc", "relative_to": "baseline", "better_by": 0.1}]}, "a correlation of 0"),
            ({"gates": [{"metric": "calibration_error", "relative_to": "baseline", "better_by": 0.1}]},
             "a distance from 0"),
            ({"objective": {"name": "classification", "labels": ["a", "a"]}}, "names 'a' twice"),
            ({"objective": {"name": "classification", "problem": "multi_label", "class_weights": {"a": 2.0},
                            "labels": ["b", "c"]}}, "'a' is none of objective.labels"),
        ],
    )  # fmt: skip
    def test_what_cannot_take_effect_is_refused(
        self, sections: dict[str, Any], words: str, tmp_path: Path
    ) -> None:
        with pytest.raises(RecipeError, match=words):
            make_plan(load(_recipe(tmp_path, **sections)))

    def test_a_classifier_does_not_chat(self, tmp_path: Path) -> None:
        job = _done(_recipe(tmp_path), until="train")
        done = luthier("chat", job.folder.path, "--prompt", "hello", cwd=tmp_path)
        assert done.returncode == 2 and "luthier predict" in done.stderr

    def test_a_chat_model_does_not_classify(self, tmp_path: Path) -> None:
        save_tiny_base(tmp_path / "base")
        done = luthier("predict", tmp_path / "base", "--text", "a", cwd=tmp_path)
        assert done.returncode == 2 and "has no task's head" in done.stderr

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ((), "or one FILE"),
            (
                ("--text", "a", "--text-pair", "b", "--text-pair", "c"),
                "1 --text need as many --text-pair, got 2",
            ),
            (("--text", "a", "--threshold", "0.3"), "has one label a text"),
            (("rows.jsonl", "--column", "text=body"), "has no field 'body'"),
        ],
    )
    def test_predict_says_what_is_wrong(self, options: tuple[str, ...], words: str, tmp_path: Path) -> None:
        job = _done(_recipe(tmp_path), until="train")
        done = luthier("predict", job.folder.path, *options, cwd=tmp_path)
        assert done.returncode == 2 and words in done.stderr


def test_a_decoder_whose_tokenizer_has_no_pad_token(tmp_path: Path) -> None:
    """Rows are padded with the end token; decoders find the last token of each row by it."""
    from tests.models.tiny_chat import make_chat_llama, make_chat_tokenizer

    folder = tmp_path / "decoder"
    make_chat_llama(pad_token_id=None, initializer_range=0.05).save_pretrained(folder)
    tokenizer = make_chat_tokenizer()
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    job = _done(_recipe(tmp_path, "decoder"), until="train")
    config = read_json(job.trained.folder / "config.json")
    assert config["pad_token_id"] == tokenizer.eos_token_id


@pytest.mark.slow
def test_banking77_with_the_real_encoder(tmp_path: Path) -> None:
    """A tenth of the classes: 0.9 is far above what a head over frozen layers reaches in one epoch."""
    train, test = (SHARED_DATA / "classification" / f"banking77_{side}.csv" for side in ("train", "test"))
    if not train.is_file():
        pytest.skip(f"public data sets are not at {SHARED_DATA}")
    source = {"schema": "classification", "columns": {"label": "category"}}
    data = {
        "train": [{"path": str(train), "limit": 1200, **source}],
        "eval": {"sources": [{"path": str(test), "limit": 400, **source}]},
        "max_length": 64,
    }
    settings = {
        "learning_rate": 3e-4,
        "num_train_epochs": 2,
        "per_device_train_batch_size": 32,
        "report_to": [],
    }
    recipe = _recipe(tmp_path, data=data, train=settings)
    plan = make_plan(load(recipe, ["model.base=minilm"]))
    job = run(plan)
    assert job.report is not None
    accuracy = next(m for m in job.report.metrics if m["metric"] == "accuracy")
    assert accuracy["tuned"]["low"] > 0.85 > accuracy["base"]["high"]
