"""`luthier runs`, `models`, `init`, `data` and `doctor` as a user types them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from luthier.recipe.load import load
from luthier.recipe.shipped import shipped_recipes
from tests.tiny_job import luthier, write_recipe


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs of which the second is registered twice."""
    folder = tmp_path_factory.mktemp("project")
    recipe = write_recipe(folder, register={"name": "tiny", "alias": "candidate"})
    for rank in (2, 4):
        done = luthier("run", recipe, "--set", f"method.r={rank}", cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def test_runs(project: Path) -> None:
    listed = json.loads(luthier("runs", "list", "--json", cwd=project).stdout)
    assert len(listed) == 2 and all("registered" in run for run in listed)
    assert luthier("runs", "list", cwd=project).stdout.count("registered") == 2
    first, second = (run["run"] for run in listed)
    shown = json.loads(luthier("runs", "show", first, "--json", cwd=project).stdout)
    assert shown == listed[0]
    rows = {
        r["key"]: r
        for r in json.loads(luthier("runs", "compare", first, second, "--json", cwd=project).stdout)
    }
    assert (rows["method.r"]["first"], rows["method.r"]["second"]) == (4, 2)
    assert "train.learning_rate" not in rows and rows["eval_loss"]["first"] != rows["eval_loss"]["second"]
    assert "method.r" in luthier("runs", "compare", first, second, cwd=project).stdout


def test_runs_of_another_folder(project: Path) -> None:
    done = luthier("runs", "show", "elsewhere", cwd=project)
    assert done.returncode == 2 and "not a run folder" in done.stderr


def test_models(project: Path) -> None:
    (model,) = json.loads(luthier("models", "list", "--json", cwd=project).stdout)
    assert model["name"] == "tiny"
    versions = model["versions"]
    assert [v["number"] for v in versions] == [2, 1] and versions[0]["aliases"] == ["candidate"]
    assert "candidate → 2" in luthier("models", "list", cwd=project).stdout
    assert "eval_loss" in luthier("models", "show", "tiny", cwd=project).stdout
    one = json.loads(luthier("models", "show", "models:/tiny@candidate", "--json", cwd=project).stdout)
    assert one["parameters"]["method.r"] == "4"
    assert "method.r" in luthier("models", "show", "models:/tiny/1", cwd=project).stdout
    assert luthier("models", "rollback", "tiny", "--alias", "candidate", cwd=project).returncode == 0
    assert (
        json.loads(luthier("models", "show", "models:/tiny@candidate", "--json", cwd=project).stdout)[
            "number"
        ]
        == 1
    )
    assert luthier("models", "promote", "tiny", "2", "--alias", "candidate", cwd=project).returncode == 0
    missing = luthier("models", "show", "huge", cwd=project)
    assert missing.returncode == 2 and "tiny" in missing.stderr


def test_models_where_no_registry_is(tmp_path: Path) -> None:
    """A mistyped store is an error: SQLite would make an empty one, with no models in it."""
    typed = tmp_path / "typo.db"
    for arguments in (("list",), ("list", "--tracking-uri", f"sqlite:///{typed}"), ("show", "tiny")):
        done = luthier("models", *arguments, cwd=tmp_path)
        assert done.returncode == 2 and "there is no registry at" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_chat_with_a_registered_model(project: Path) -> None:
    done = luthier(
        "chat", "models:/tiny@candidate", "--prompt", "What is the red fox?", "--json", cwd=project
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["completion_tokens"] > 0


def test_catalogue() -> None:
    names = [e["name"] for e in json.loads(luthier("models", "catalogue", "--json", cwd=Path.cwd()).stdout)]
    assert "smollm2-135m-instruct" in names


def test_init_copies_each_recipe_so_that_it_loads(tmp_path: Path) -> None:
    listed = json.loads(luthier("init", "--json", cwd=tmp_path).stdout)
    assert listed.keys() == shipped_recipes().keys() and len(listed) >= 6
    assert all(len(headline) > 20 for headline in listed.values())
    for name in ("chat-lora", "quickstart"):
        done = luthier("init", name, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert load(tmp_path / json.loads(done.stdout)[0]).recipe.name == name
    assert (tmp_path / "quickstart" / "train.jsonl").is_file()
    again = luthier("init", "chat-lora", cwd=tmp_path)
    assert again.returncode == 2 and "not overwritten" in again.stderr
    unknown = luthier("init", "chat-loar", cwd=tmp_path)
    assert unknown.returncode == 2 and "chat-lora" in unknown.stderr


def test_data_inspect_shows_what_carries_loss(project: Path) -> None:
    (project / "two.jsonl").write_text(
        '{"instruction": "Say hi", "output": "Hi there"}\n{"instruction": "Say no", "output": ""}\n'
    )
    done = luthier("data", "inspect", "two.jsonl", "--base", "base", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["schema"] == "alpaca" and facts["shown"][0]["supervised"] == ["Hi there<|im_end|>"]
    assert facts["left_out"] == [
        {"row": 2, "reason": "empty_answer", "detail": facts["left_out"][0]["detail"]}
    ]
    text = luthier("data", "inspect", "two.jsonl", "--base", "base", cwd=project).stdout
    assert "⟦Hi there<|im_end|>⟧" in text
    wrong = luthier("data", "inspect", "two.jsonl", "--base", "base", "--row", 2, cwd=project)
    assert wrong.returncode == 2 and "empty_answer" in wrong.stderr


def test_data_lint_finds_a_template_that_teaches_no_end(project: Path) -> None:
    good = luthier("data", "lint", "--base", "base", "--json", cwd=project)
    assert good.returncode == 0 and json.loads(good.stdout) == []
    (project / "bad.jinja").write_text(
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    bad = luthier("data", "lint", "--base", "base", "--chat-template", "bad.jinja", "--json", cwd=project)
    assert bad.returncode == 2 and json.loads(bad.stdout)[0]["code"] == "end_never_trained"


def test_doctor() -> None:
    done = luthier("doctor", "--json", cwd=Path.cwd())
    assert done.returncode == 0
    checks = {c["check"]: c for c in json.loads(done.stdout)}
    assert checks["torch"]["ok"] and checks["memory"]["found"].endswith("GB")


@pytest.mark.parametrize(("typed", "meant"), [(("rnu",), "run"), (("data", "inspec"), "inspect")])
def test_a_mistyped_command_gets_the_nearest(tmp_path: Path, typed: tuple[str, ...], meant: str) -> None:
    done = luthier(*typed, cwd=tmp_path)
    assert done.returncode == 2 and f"Did you mean '{meant}'" in done.stderr


def test_threads_wait_shortly_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "set to be restored")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    luthier("--version", cwd=tmp_path)
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.delenv("OMP_WAIT_POLICY")
    luthier("--version", cwd=tmp_path)
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
