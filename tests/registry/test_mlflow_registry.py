"""The registry on a SQLite file: versions, aliases, rollback, and refusal of what was not registered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from luthier.core.errors import RegistryError
from luthier.core.hashing import fingerprint, hash_file, short
from luthier.registry.mlflow_registry import Registry, TrackedRun, Version
from luthier.registry.stage import ModelVersion, register

HISTORY = [
    {"step": 1, "loss": 3.0, "time": 100.5, "learning_rate": 1e-4},
    {"step": 2, "loss": 2.5, "time": 101.5},
    {"step": 2, "eval_loss": 2.6, "time": 102.0},
]


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a fresh database: MLflow takes seconds to make one."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(f"sqlite:///{path}", (path.parent / "unused").as_uri())
    return path.read_bytes()


@pytest.fixture
def uri(tmp_path: Path, empty_database: bytes) -> str:
    (tmp_path / "mlflow.db").write_bytes(empty_database)
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def registry(uri: str) -> Registry:
    return Registry(uri)


def _model(folder: Path, content: str = "weights") -> Path:
    (folder / "nested").mkdir(parents=True)
    (folder / "model.safetensors").write_text(content, encoding="utf-8")
    (folder / "nested" / "config.json").write_text("{}", encoding="utf-8")
    return folder


def _add(
    registry: Registry, tmp_path: Path, number: int, *, name: str = "helper", alias: str = "best"
) -> Version:
    record = tmp_path / f"recipe-{number}.yaml"
    record.write_text("name: made", encoding="utf-8")
    return registry.register(
        name,
        alias,
        _model(tmp_path / f"model-{name}-{number}", f"weights {number}"),
        TrackedRun(
            run=f"run-{number}",
            parameters={"train.epochs": number, "data.train[0].path": "rows.jsonl"},
            metrics={"eval_loss": 2.0 / number},
            history=HISTORY,
            tags={"luthier.base_hash": "abc"},
            files=[record],
        ),
    )


def _aliases(registry: Registry) -> dict[int, tuple[str, ...]]:
    return {version.number: version.aliases for version in registry.versions("helper")}


class TestRegister:
    def test_versions_are_counted_and_the_alias_moves(self, registry: Registry, tmp_path: Path) -> None:
        first = _add(registry, tmp_path, 1)
        assert (first.name, first.number, first.aliases, first.uri) == (
            "helper", 1, ("best",), "models:/helper/1",
        )  # fmt: skip
        second = _add(registry, tmp_path, 2)
        assert (second.number, second.aliases) == (2, ("best",))
        assert _aliases(registry) == {2: ("best",), 1: ()}
        assert registry.names() == ["helper"]

    def test_figures_and_lineage_are_kept(self, registry: Registry, tmp_path: Path) -> None:
        before = time.time() * 1000 - 1000
        version = _add(registry, tmp_path, 2)
        assert version.run == "run-2"
        assert version.parameters == {"train.epochs": "2", "data.train.0.path": "rows.jsonl"}
        # The final figure keeps its name; those by step stand apart, and the last step's is shown.
        assert version.metrics == {
            "eval_loss": 1.0, "training/loss": 2.5, "training/eval_loss": 2.6, "training/learning_rate": 1e-4,
        }  # fmt: skip
        assert before <= version.created <= time.time() * 1000 + 1000
        from mlflow import MlflowClient

        client = MlflowClient(registry.uri, registry.uri)
        losses = client.get_metric_history(version.mlflow_run, "training/loss")
        assert [(m.step, m.value, m.timestamp) for m in losses] == [(1, 3.0, 100_500), (2, 2.5, 101_500)]
        run = client.get_run(version.mlflow_run)
        assert run.info.status == "FINISHED"
        assert run.data.tags["luthier.base_hash"] == "abc"
        assert client.get_model_version("helper", "1").tags["luthier.base_hash"] == "abc"
        assert [f.path for f in client.list_artifacts(version.mlflow_run, "run")] == ["run/recipe-2.yaml"]

    def test_a_failure_leaves_no_version_and_a_failed_run(self, registry: Registry, tmp_path: Path) -> None:
        with pytest.raises(RegistryError):
            registry.register(
                "helper", "best", _model(tmp_path / "model"),
                TrackedRun("run-1", parameters={}, metrics={}, history=[], tags={}, files=[tmp_path / "absent.json"]),
            )  # fmt: skip
        assert registry.names() == []
        from mlflow import MlflowClient

        client = MlflowClient(registry.uri, registry.uri)
        experiment = client.get_experiment_by_name("luthier")
        assert experiment
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.status == "FAILED"

    def test_many_parameters_and_steps_fit(self, registry: Registry, tmp_path: Path) -> None:
        history = [{"step": n, "loss": 1.0, "time": float(n)} for n in range(1, 1203)]
        version = registry.register(
            "helper", "best", _model(tmp_path / "model"),
            TrackedRun("run", parameters={f"key.{n}": "x" * 7000 for n in range(101)}, metrics={},
                       history=history, tags={}, files=[]),
        )  # fmt: skip
        assert len(version.parameters) == 101
        assert len(version.parameters["key.100"]) == 6000

    def test_the_stage_records_where_the_version_is(self, uri: str, tmp_path: Path) -> None:
        folder = tmp_path / "run" / "register"
        made = register(
            "helper", "best", _model(tmp_path / "model"),
            TrackedRun("run-1", parameters={}, metrics={}, history=[], tags={}, files=[]),
            tracking_uri=uri, folder=folder, fingerprint="f",
        )  # fmt: skip
        assert ModelVersion.load(folder) == made
        assert (made.version, made.uri, made.tracking_uri) == (1, "models:/helper/1", uri)
        assert Registry(uri).resolve(made.uri).run == "run-1"


class TestAliases:
    def test_rollback_returns_to_the_version_before(self, registry: Registry, tmp_path: Path) -> None:
        for number in (1, 2, 3):
            _add(registry, tmp_path, number)
        assert registry.rollback("helper", "best") == 2
        assert _aliases(registry) == {3: (), 2: ("best",), 1: ()}
        assert registry.rollback("helper", "best") == 1
        with pytest.raises(RegistryError, match="never pointed to an earlier version"):
            registry.rollback("helper", "best")
        assert registry.resolve("models:/helper@best").number == 1

    def test_promotion_goes_anywhere_and_rollback_goes_back(self, registry: Registry, tmp_path: Path) -> None:
        for number in (1, 2):
            _add(registry, tmp_path, number)
        registry.promote("helper", 2, "production")
        registry.promote("helper", 1, "production")
        registry.promote("helper", 1, "production")  # twice is once
        assert _aliases(registry) == {2: ("best",), 1: ("production",)}
        assert registry.rollback("helper", "production") == 2
        assert _aliases(registry) == {2: ("best", "production"), 1: ()}

    def test_rollback_without_history_is_refused(self, registry: Registry, tmp_path: Path) -> None:
        _add(registry, tmp_path, 1)
        for alias in ("best", "unheard-of"):
            with pytest.raises(RegistryError, match=f"{alias} of helper never pointed to an earlier version"):
                registry.rollback("helper", alias)
        assert _aliases(registry) == {1: ("best",)}

    def test_a_move_by_another_program_is_remembered(self, registry: Registry, tmp_path: Path) -> None:
        for number in (1, 2, 3):
            _add(registry, tmp_path, number)
        registry._client.set_registered_model_alias("helper", "best", "1")
        registry.promote("helper", 2, "best")
        assert registry.rollback("helper", "best") == 1


class TestResolve:
    def test_numbers_and_aliases_name_versions(self, registry: Registry, tmp_path: Path) -> None:
        first, second = (_add(registry, tmp_path, number) for number in (1, 2))
        assert registry.resolve("models:/helper/1").run == first.run
        assert registry.resolve("models:/helper@best").run == second.run
        folder = registry.model_folder("models:/helper@best")
        assert (folder / "model.safetensors").read_text(encoding="utf-8") == "weights 2"
        assert (folder / "nested" / "config.json").is_file()

    @pytest.mark.parametrize("named", ["models:/helper", "models:/helper/", "models:/helper/x", "models:/a/b@c",
                                       "models:/helper/²", "models:/helper@", "models:/"])  # fmt: skip
    def test_what_names_no_version_is_refused(self, registry: Registry, named: str) -> None:
        with pytest.raises(RegistryError, match="models:/NAME@ALIAS"):
            registry.resolve(named)

    def test_unknown_names_list_the_known(self, registry: Registry, tmp_path: Path) -> None:
        with pytest.raises(RegistryError, match="no model named helpr(.|\n)*none yet"):
            registry.resolve("models:/helpr@best")
        _add(registry, tmp_path, 1)
        _add(registry, tmp_path, 1, name="other")
        for ask in (
            lambda: registry.resolve("models:/helpr/1"),
            lambda: registry.versions("helpr"),
            lambda: registry.promote("helpr", 1, "best"),
            lambda: registry.rollback("helpr", "best"),
            lambda: registry.model_folder("models:/helpr@best"),
        ):
            with pytest.raises(RegistryError, match="no model named helpr(.|\n)*helper, other"):
                ask()

    def test_unknown_aliases_and_versions_list_the_known(self, registry: Registry, tmp_path: Path) -> None:
        for number in (1, 2):
            _add(registry, tmp_path, number)
        registry.promote("helper", 1, "production")
        with pytest.raises(RegistryError, match="no alias prod(.|\n)*@best, @production"):
            registry.resolve("models:/helper@prod")
        for ask in (
            lambda: registry.resolve("models:/helper/7"),
            lambda: registry.promote("helper", 7, "production"),
        ):
            with pytest.raises(RegistryError, match="no version 7(.|\n)*its versions: 1, 2"):
                ask()
        assert _aliases(registry) == {2: ("best",), 1: ("production",)}

    def test_more_models_than_a_page_of_mlflow_are_known(self, registry: Registry) -> None:
        for number in range(103):
            registry._client.create_registered_model(f"model-{number:03}")
        assert registry.names() == [f"model-{number:03}" for number in range(103)]
        assert registry.versions("model-102") == []


class TestOfOtherPrograms:
    """What MLflow's own interface put there."""

    def test_a_model_without_versions(self, registry: Registry) -> None:
        registry._client.create_registered_model("bare")
        assert registry.names() == ["bare"] and registry.versions("bare") == []
        done = subprocess.run(
            [sys.executable, "-m", "luthier", "models", "list", "--tracking-uri", registry.uri],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[1].split() == ["bare", "0"]

    def test_a_version_without_a_run_is_listed_and_not_loaded(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        registry._client.create_registered_model("foreign")
        registry._client.create_model_version("foreign", source=_model(tmp_path / "model").as_uri())
        (version,) = registry.versions("foreign")
        assert (version.number, version.run, version.mlflow_run, version.metrics) == (1, "", "", {})
        with pytest.raises(RegistryError, match="registered by another program"):
            registry.model_folder("models:/foreign/1")


class TestTampering:
    def _stored(self, tmp_path: Path) -> Path:
        (found,) = (tmp_path / "mlartifacts").rglob("model.safetensors")
        return found

    def test_changed_content_is_refused_with_its_hash(self, registry: Registry, tmp_path: Path) -> None:
        _add(registry, tmp_path, 1)
        stored = self._stored(tmp_path)
        stored.write_text("weights X", encoding="utf-8")
        hashes = {
            str(p.relative_to(stored.parent)): hash_file(p) for p in stored.parent.rglob("*") if p.is_file()
        }
        with pytest.raises(RegistryError, match="changed after registration") as caught:
            registry.model_folder("models:/helper@best")
        assert short(fingerprint(hashes)) in str(caught.value)
        assert "models:/helper/1" in str(caught.value)

    @pytest.mark.parametrize("change", ["removed", "added", "renamed"])
    def test_other_files_are_refused(self, registry: Registry, tmp_path: Path, change: str) -> None:
        _add(registry, tmp_path, 1)
        stored = self._stored(tmp_path)
        if change == "removed":
            stored.unlink()
        elif change == "added":
            (stored.parent / "modeling.py").write_text("print('run me')", encoding="utf-8")
        else:
            stored.rename(stored.with_name("other.safetensors"))
        with pytest.raises(RegistryError, match="changed after registration"):
            registry.model_folder("models:/helper/1")


class TestStores:
    def test_a_second_process_sees_the_same_registry(self, registry: Registry, tmp_path: Path) -> None:
        _add(registry, tmp_path, 1)
        code = (
            "import json; from luthier.registry.mlflow_registry import Registry\n"
            "r = Registry(); v = r.resolve('models:/helper@best')\n"
            "print(json.dumps([r.uri, v.number, v.run, (r.model_folder(v.uri) / 'model.safetensors').read_text()]))"
        )
        environment = {**os.environ, "MLFLOW_TRACKING_URI": registry.uri}
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            cwd=elsewhere,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout.splitlines()[-1]) == [registry.uri, 1, "run-1", "weights 1"]
        assert list(elsewhere.iterdir()) == []

    def test_the_address_comes_from_the_argument_then_the_environment(
        self, uri: str, tmp_path: Path, empty_database: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = tmp_path / "other.db"
        other.write_bytes(empty_database)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
        assert Registry().uri == f"sqlite:///{other}"
        assert Registry(uri).uri == uri
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        monkeypatch.chdir(tmp_path)
        assert Registry().uri == "sqlite:///mlflow.db"

    def test_a_file_that_is_not_there_is_made_only_to_register(self, tmp_path: Path) -> None:
        uri = f"sqlite:///{tmp_path / 'typo.db'}"
        with pytest.raises(
            RegistryError, match="there is no registry at .*typo.db(.|\n)*MLFLOW_TRACKING_URI"
        ):
            Registry(uri)
        with pytest.raises(RegistryError, match="folder .*typo does not exist"):
            Registry(f"sqlite:///{tmp_path / 'typo' / 'mlflow.db'}", may_create=True)
        assert list(tmp_path.iterdir()) == []
        assert Registry(uri, may_create=True).names() == Registry(uri).names() == []

    def test_an_unreachable_server_is_told_in_one_line_and_soon(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
        before = time.monotonic()
        with pytest.raises(RegistryError) as caught:
            Registry("http://127.0.0.1:9")
        assert time.monotonic() - before < 15
        assert "\n" not in caught.value.problem
        assert caught.value.where == "http://127.0.0.1:9"
        assert "MLFLOW_TRACKING_URI" in str(caught.value)

    def test_an_impossible_store_is_told_in_one_line(self) -> None:
        with pytest.raises(RegistryError) as caught:
            Registry("nonsense://x")
        assert "\n" not in caught.value.problem
        assert caught.value.where == "nonsense://x"

    def test_a_database_that_is_none_is_told_in_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "mlflow.db").write_text("this is no database, " * 100, encoding="utf-8")
        with pytest.raises(RegistryError) as caught:
            Registry(f"sqlite:///{tmp_path / 'mlflow.db'}")
        assert "\n" not in caught.value.problem
        assert "database" in caught.value.problem
