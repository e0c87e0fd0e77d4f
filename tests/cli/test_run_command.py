"""`luthier run` as a user types it: results, bad input, interruption, resumption."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tiny_job import luthier, start_luthier, write_recipe, write_rows


def test_json_prints_the_result_and_nothing_else(tmp_path: Path) -> None:
    done = luthier("run", write_recipe(tmp_path), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["data"] == {
        "train": 36,
        "eval": 12,
        "rejected": 0,
        "supervised_tokens": summary["data"]["supervised_tokens"],
    }
    assert summary["train"]["steps"] == 27
    assert {m["metric"] for m in summary["metrics"]} == {"eval_loss", "perplexity", "rouge_l", "exact_match"}
    assert done.stderr == ""
    assert set(summary["example"]) == {"row", "prompt", "reference", "base", "tuned"}


def test_a_failed_gate_ends_with_code_3_and_shows_the_figures(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, gates=[{"metric": "rouge_l", "min": 0.999}])
    done = luthier("run", recipe, cwd=tmp_path)
    assert done.returncode == 3
    assert "rouge_l ≥ 0.999" in done.stderr and "report.html" in done.stderr
    assert "eval_loss" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["asked", "What", "is", "the"] in [line[:4] for line in lines]
    assert {"before", "after"} <= {line[0] for line in lines}


def _edit(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "recipe.yaml"
        recipe = yaml.safe_load(path.read_text())
        change(recipe)
        path.write_text(yaml.safe_dump(recipe))

    return apply


def _rows(text: str | bytes) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        data = text.encode() if isinstance(text, str) else text
        (folder / "rows.json").write_bytes(data)

    return apply


def _jsonl(*lines: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / "rows.jsonl").write_text("\n".join(lines))
        _edit(lambda r: r["data"].update(train=[{"path": "rows.jsonl"}]))(folder)

    return apply


def _five_faults(recipe: dict[str, Any]) -> None:
    recipe["train"]["learning_rat"] = 1
    recipe["train"]["num_train_epochs"] = "many"
    recipe["data"]["max_lenght"] = 5
    recipe["method"]["r"] = 0
    recipe["modle"] = {}


def _drop_weights(folder: Path) -> None:
    (folder / "base" / "model.safetensors").unlink()


def _drop_template(folder: Path) -> None:
    (folder / "base" / "chat_template.jinja").unlink()


BAD = {
    "missing file": (lambda f: (f / "rows.json").unlink(), ["no file at", "data.train[0].path"]),
    "empty file": (_rows(""), ["rows.json", "empty"]),
    "broken json": (_rows('[{"instruction": "a",\n "output": }]'), ["line 2", "not valid JSON"]),
    "broken line": (
        _jsonl('{"instruction": "a", "output": "b"}', "{oops", '{"instruction": "c", "output": "d"}'),
        ["rows.jsonl", "line 2"],
    ),
    "mixed schemas": (
        _rows('[{"instruction": "a", "output": "b"}, {"messages": []}]'),
        ["mixes schemas", "row 2"],
    ),
    "not utf-8": (_rows(b'[{"instruction": "caf\xe9", "output": "b"}]'), ["UTF-8", "line 1", "iconv"]),
    "unknown schema": (
        _rows('[{"question": "a", "reply": "b"}]'),
        ["no known schema", "question", "columns"],
    ),
    "nothing to learn": (
        _rows('[{"instruction": "a", "output": ""}, {"instruction": "b", "output": ""}]'),
        ["empty_answer", "row 1"],
    ),
    "starts with the assistant": (
        _rows('[{"messages": [{"role": "assistant", "content": "hi"}]}]'),
        ["starts_with_assistant"],
    ),
    "unknown role": (
        _rows('[{"messages": [{"role": "wizard", "content": "hi"}, {"role": "assistant", "content": "a"}]}]'),
        ["unknown_role", "wizard"],
    ),
    "five faults": (
        _edit(_five_faults),
        ["5 faults", "learning_rate", "num_train_epochs", "max_length", "method.r", "model"],
    ),
    "no weights": (_drop_weights, ["model.base", "no weights"]),
    "no template": (_drop_template, ["no chat template", "chatml"]),
    "too long": (
        _edit(lambda r: r["data"].update(max_length=8, too_long="error")),
        ["rows.json, row 1", "data.max_length is 8"],
    ),
    "no effect": (
        _edit(lambda r: r["train"].update(eval_steps=5)),
        ["train.eval_steps", "has no effect with eval_strategy: epoch"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_place_and_cure(tmp_path: Path, name: str) -> None:
    spoil, expected = BAD[name]
    recipe = write_recipe(tmp_path)
    spoil(tmp_path)
    done = luthier("run", recipe, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for text in expected:
        assert text in done.stderr, (text, done.stderr)


def test_a_disk_that_is_full_before_any_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path)

    def write(path: Path, *_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("luthier.data.prepare.write_examples", write)
    done = luthier("run", recipe, "--until", "data", cwd=tmp_path)
    assert done.returncode == 2
    assert "train.parquet: the disk is full" in done.stderr and "make room" in done.stderr
    monkeypatch.undo()
    assert luthier("run", recipe, "--until", "data", cwd=tmp_path).returncode == 0


def test_runs_cannot_lie_in_a_file(tmp_path: Path) -> None:
    done = luthier("run", write_recipe(tmp_path), "--set", "runs_dir=rows.json", cwd=tmp_path)
    assert done.returncode == 2 and "rows.json" in done.stderr and "Not a directory" in done.stderr


def test_one_bad_row_among_many_is_left_out_with_its_number(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    rows = json.loads(write_rows(tmp_path / "rows.json").read_text())
    rows[17]["output"] = 5
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    done = luthier("run", recipe, "--until", "data", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rejected = [
        json.loads(line)
        for line in next((tmp_path / "runs").glob("*/data/rejected.jsonl")).read_text().splitlines()
    ]
    assert [(r["row"], r["reason"]) for r in rejected] == [(18, "wrong_type")]
    assert "output is a number" in rejected[0]["detail"] and rejected[0]["raw"]["output"] == 5


def _weights(folder: Path) -> bytes:
    return next(folder.glob("runs/*/model/adapter_model.safetensors")).read_bytes()


def _wait_for_checkpoint(folder: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not list(folder.glob("runs/*/checkpoints/step-*")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_an_interrupted_run_ends_with_the_bits_of_an_uninterrupted_one(
    tmp_path: Path, end: signal.Signals
) -> None:
    train = {
        "learning_rate": 0.01, "num_train_epochs": 12, "per_device_train_batch_size": 2, "report_to": [],
        "save_strategy": "steps", "save_steps": 3, "eval_strategy": "no",
    }  # fmt: skip
    whole, broken = (write_recipe(tmp_path / name, train=train).parent for name in ("whole", "broken"))
    assert luthier("run", "recipe.yaml", cwd=whole).returncode == 0
    process = start_luthier("run", "recipe.yaml", cwd=broken)
    _wait_for_checkpoint(broken, process)
    process.send_signal(end)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == (130 if end is signal.SIGINT else -signal.SIGKILL), errors
    if end is signal.SIGINT:
        assert "Ctrl-C again ends at once" in errors
        assert "the state is saved" in errors and "run the same command again" in errors
    assert not list(broken.glob("runs/*/model/artifact.json"))
    again = luthier("run", "recipe.yaml", cwd=broken)
    assert again.returncode == 0, again.stderr
    assert "going on from step" in again.stderr
    assert _weights(broken) == _weights(whole)


def test_resume_takes_the_recipe_of_the_run_folder(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    luthier("run", recipe, "--set", "train.num_train_epochs=1", "--until", "data", cwd=tmp_path)
    folder = next((tmp_path / "runs").iterdir())
    done = luthier("run", "--resume", folder, "--json", cwd=tmp_path.parent)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["train"]["steps"] == 9
    (tmp_path / "rows.json").write_text("[]")
    changed = luthier("run", "--resume", folder, cwd=tmp_path)
    assert changed.returncode == 2


def test_plan_tells_everything_and_leaves_nothing(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    done = luthier("plan", recipe, "--set", "method.r=2", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["values"]["method.r"] == {"value": 2, "from": "--set"}
    assert plan["values"]["data.train[0].path"] == {"value": "rows.json", "from": "recipe"}
    assert plan["values"]["train.adam_beta1"] == {"value": 0.9, "from": "default"}
    assert plan["stages"] == {"rows": "to do", "data": "to do", "train": "to do", "evaluate": "to do"}
    assert plan["budget"]["splits"]["train"]["rows"] == 36
    assert plan["forecast"]["num_steps"] == 27 and plan["forecast"]["seconds"] > 0
    assert "attention" in plan["fast_path"] and plan["plain_path"] == []
    assert not (tmp_path / "runs").exists()
    table = luthier("plan", recipe, cwd=tmp_path)
    assert "peak memory" in table.stdout and "supervised" in table.stdout


def test_plan_says_what_is_cached(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    luthier("run", recipe, "--until", "train", cwd=tmp_path)
    plan = json.loads(luthier("plan", recipe, "--json", cwd=tmp_path).stdout)
    assert plan["stages"] == {"rows": "cached", "data": "cached", "train": "cached", "evaluate": "to do"}
    assert plan["forecast"] is None


def test_help_answers_at_once() -> None:
    started = time.perf_counter()
    process = start_luthier("--help", cwd=Path.cwd())
    output, _ = process.communicate(timeout=60)
    seconds = time.perf_counter() - started
    assert process.returncode == 0 and "serve" in output
    code = "import sys, luthier.cli.main; print('torch' in sys.modules or 'transformers' in sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert imported.stdout.strip() == "False"
    assert seconds < 2.0  # 0.1 s on an idle machine; a busy one gets more


def test_until_takes_every_stage() -> None:
    from luthier.cli.run import run
    from luthier.pipeline.stages import STAGES

    until = next(option for option in run.params if option.name == "until")
    assert list(until.type.choices) == [stage.name for stage in STAGES]  # type: ignore[attr-defined]
