"""The model registry in MLflow: a SQLite file by default, a server by its URL."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from luthier.core.errors import RegistryError
from luthier.core.files import manifest_of
from luthier.core.hashing import fingerprint, short
from luthier.core.optional import require
from luthier.registry.address import SCHEME, check_store, parse_version, sqlite_file, store_uri

HISTORY_PREFIX = "training/"
"""Of metrics by step, so that they do not hide the final figures of the same name."""

_EXPERIMENT = "luthier"
_PREFIX = "luthier."
_FILES_TAG = "luthier.files"
_RUN_TAG = "luthier.run"
_HISTORY_TAG = "luthier.history."


@dataclass(frozen=True)
class TrackedRun:
    """What MLflow is told about the run that made a model.

    Args:
        run: Id of the Luthier run.
        parameters: Recipe values by dotted path.
        metrics: Figures of the result.
        history: Loss by step: ``step`` with ``loss`` or ``eval_loss``, and ``time``.
        tags: Lineage: hashes of data, base, template.
        files: Records of the run to keep beside the model.
    """

    run: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    history: Sequence[Mapping[str, Any]]
    tags: Mapping[str, str]
    files: Sequence[Path]


@dataclass(frozen=True)
class Version:
    """One version of a registered model.

    Args:
        name: Of the model.
        number: From 1.
        aliases: That point to it.
        run: Id of the Luthier run that made it; empty if another program did.
        mlflow_run: Id of the MLflow run with parameters, metrics and files; empty if there is none.
        created: Milliseconds since 1970.
        metrics: Of the MLflow run; those by step have the prefix ``training/``.
        parameters: Of the MLflow run.
        lineage: Hashes of what it came from, such as ``rows_hash``; empty if another program made it.
    """

    name: str
    number: int
    aliases: tuple[str, ...]
    run: str
    mlflow_run: str
    created: int
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]
    lineage: Mapping[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """How commands name it."""
        return f"{SCHEME}{self.name}/{self.number}"


class Registry:
    """Registers models and moves their aliases.

    Args:
        tracking_uri: SQLite URL or server; None takes MLFLOW_TRACKING_URI, else ``sqlite:///mlflow.db``.
        may_create: Make a SQLite file that is not there.

    Raises:
        MissingDependencyError: MLflow is not installed.
        RegistryError: The store is not there or cannot be reached.
    """

    def __init__(self, tracking_uri: str | None = None, *, may_create: bool = False) -> None:
        self.uri = store_uri(tracking_uri)
        check_store(self.uri, may_create=may_create)
        require("mlflow", extra="registry", purpose="the model registry")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        # MLflow's own 7 tries keep silent for four minutes before they say that there is no server.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        for name in ("alembic", "mlflow"):
            logging.getLogger(name).setLevel(logging.ERROR)
        from mlflow import MlflowClient

        with _explained(self.uri):
            self._client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            self._experiment = self._find_or_create_experiment()

    def register(self, name: str, alias: str, folder: Path, tracked: TrackedRun) -> Version:
        """Track a run, store its model as a new version and move the alias to it.

        Args:
            name: Of the registered model.
            alias: Moves to the new version.
            folder: The model.
            tracked: The run that made it.
        """
        tags = {**tracked.tags, _RUN_TAG: tracked.run}
        with _explained(self.uri):
            info = self._client.create_run(self._experiment, run_name=tracked.run, tags=tags).info
            run_id = info.run_id
            try:
                self._log(run_id, tracked)
                self._client.log_artifacts(run_id, str(folder), "model")
                for file in tracked.files:
                    self._client.log_artifact(run_id, str(file), "run")
                version = self._create_version(name, folder, info, tags)
            except BaseException:
                self._client.set_terminated(run_id, "FAILED")
                raise
            self._client.set_terminated(run_id, "FINISHED")
        self.promote(name, version, alias)
        return self.version(name, version)

    def names(self) -> list[str]:
        """Return the names of all registered models."""
        names: list[str] = []
        page = None
        with _explained(self.uri):
            while True:
                found = self._client.search_registered_models(page_token=page)
                names += [model.name for model in found]
                if not (page := found.token):
                    return sorted(names)

    def versions(self, name: str) -> list[Version]:
        """Return all versions of a model, newest first.

        Raises:
            RegistryError: There is no such model.
        """
        self._check_known(name)
        return [self.version(name, number) for number in reversed(self._numbers(name))]

    def version(self, name: str, number: int) -> Version:
        """Return one version.

        Raises:
            RegistryError: There is no such version.
        """
        with _explained(self.uri):
            found: Any = self._client.get_model_version(name, str(number))
            data = self._client.get_run(found.run_id).data if found.run_id else None
            aliases = [a for a, v in self._aliases(name).items() if v == number]
        return Version(
            name=name,
            number=number,
            aliases=tuple(sorted(aliases)),
            run=found.tags.get(_RUN_TAG, ""),
            mlflow_run=found.run_id or "",
            created=int(found.creation_timestamp),
            metrics=data.metrics if data else {},
            parameters=data.params if data else {},
            lineage={
                key.removeprefix(_PREFIX): value
                for key, value in found.tags.items()
                if key.startswith(_PREFIX)
            },
        )

    def promote(self, name: str, number: int, alias: str) -> None:
        """Move an alias to a version; the version it pointed to is remembered for `rollback`.

        Raises:
            RegistryError: There is no such model or version.
        """
        self._check_known(name)
        self._check_version(name, number)
        with _explained(self.uri):
            history = self._history(name, alias)
            if history[-1:] != [number]:
                self._move(name, alias, [*history, number])

    def rollback(self, name: str, alias: str) -> int:
        """Move an alias back to the version that it pointed to before, and return that version's number.

        Raises:
            RegistryError: There is no earlier version.
        """
        self._check_known(name)
        with _explained(self.uri):
            history = self._history(name, alias)
            if len(history) < 2:
                raise RegistryError(f"{alias} of {name} never pointed to an earlier version")
            self._move(name, alias, history[:-1])
        return history[-2]

    def resolve(self, uri: str) -> Version:
        """Return the version that ``models:/name/3`` or ``models:/name@alias`` names.

        Raises:
            RegistryError: There is no such model, version or alias.
        """
        name, number, alias = parse_version(uri)
        self._check_known(name)
        if number is None:
            aliases = self._aliases(name)
            if alias not in aliases:
                known = ", ".join(f"@{a}" for a in sorted(aliases)) or "none"
                raise RegistryError(
                    f"{name} has no alias {alias}", where=self.uri, cure=f"its aliases: {known}"
                )
            number = aliases[alias]
        self._check_version(name, number)
        return self.version(name, number)

    def champion(self, name: str, alias: str, *, run: str) -> Version | None:
        """Return the version that an alias points to; of versions that a run made itself, the one they replaced.

        Args:
            name: Of the registered model.
            alias: Of the champion.
            run: Id of the Luthier run that is to be compared with it.

        Returns:
            None where there is no such model, alias or earlier version.
        """
        if name not in self.names() or alias not in self._aliases(name):
            return None
        with _explained(self.uri):
            history = self._history(name, alias)
        versions = (self.version(name, number) for number in reversed(history))
        return next((version for version in versions if version.run != run), None)

    def model_folder(self, uri: str) -> Path:
        """Return a local folder with the files of a version, whose content is checked by hash.

        Raises:
            RegistryError: The version is unknown, or its files are not those that were registered.
        """
        version = self.resolve(uri)
        with _explained(self.uri):
            found = self._client.get_model_version(version.name, str(version.number))
            if _FILES_TAG not in found.tags:
                problem = f"{version.uri} was registered by another program, so its files cannot be checked"
                raise RegistryError(problem, where=self.uri, cure="use its folder: luthier chat FOLDER")
            folder = Path(self._client.download_artifacts(version.mlflow_run, "model"))
        if (got := _files_hash(folder)) != found.tags[_FILES_TAG]:
            raise RegistryError(
                f"the files of {version.uri} were changed after registration (hash {short(got)}…)",
                where=str(folder),
                cure="register the model again, or roll the alias back: luthier models rollback",
            )
        return folder

    def _find_or_create_experiment(self) -> str:
        found = self._client.get_experiment_by_name(_EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        # Beside the database: MLflow's own default follows the folder that a command is started from.
        beside = None
        if database := sqlite_file(self.uri):
            beside = (database.parent / "mlartifacts").as_uri()
        return str(self._client.create_experiment(_EXPERIMENT, artifact_location=beside))

    def _log(self, run_id: str, tracked: TrackedRun) -> None:
        from mlflow.entities import Metric, Param

        # MLflow allows no brackets in names: data.train[0].path becomes data.train.0.path.
        params = [
            Param(re.sub(r"\[(\d+)\]", r".\1", key), str(value)[:6000])
            for key, value in tracked.parameters.items()
        ]
        figures = [Metric(key, value, 0, 0) for key, value in tracked.metrics.items()]
        for event in tracked.history:
            figures += [
                Metric(HISTORY_PREFIX + key, event[key], int(event["time"] * 1000), event["step"])
                for key in ("loss", "eval_loss", "learning_rate", "tokens_per_second")
                if key in event
            ]
        for start in range(0, len(params), 100):  # MLflow takes so many at once
            self._client.log_batch(run_id, params=params[start : start + 100])
        for start in range(0, len(figures), 1000):
            self._client.log_batch(run_id, metrics=figures[start : start + 1000])

    def _create_version(self, name: str, folder: Path, info: Any, tags: Mapping[str, str]) -> int:
        if name not in self.names():
            self._client.create_registered_model(name)
        version = self._client.create_model_version(
            name,
            source=f"{info.artifact_uri}/model",
            run_id=info.run_id,
            tags={**tags, _FILES_TAG: _files_hash(folder)},
        )
        return int(version.version)

    def _check_known(self, name: str) -> None:
        names = self.names()
        if name not in names:
            known = ", ".join(names) or "none yet"
            raise RegistryError(f"no model named {name}", where=self.uri, cure=f"registered models: {known}")

    def _check_version(self, name: str, number: int) -> None:
        if number not in (numbers := self._numbers(name)):
            known = ", ".join(map(str, numbers)) or "none"
            raise RegistryError(
                f"{name} has no version {number}", where=self.uri, cure=f"its versions: {known}"
            )

    def _numbers(self, name: str) -> list[int]:
        with _explained(self.uri):
            found = self._client.search_model_versions(f"name='{name}'")
        return sorted(int(version.version) for version in found)

    def _aliases(self, name: str) -> dict[str, int]:
        with _explained(self.uri):
            model = self._client.get_registered_model(name)
        return {alias: int(version) for alias, version in model.aliases.items()}

    def _history(self, name: str, alias: str) -> list[int]:
        """Return the versions that the alias pointed to, the present one last."""
        tags = self._client.get_registered_model(name).tags
        history = [int(number) for number in json.loads(tags.get(_HISTORY_TAG + alias, "[]"))]
        present = self._aliases(name).get(alias)
        if present is not None and history[-1:] != [present]:
            history.append(present)  # moved by another program
        return history

    def _move(self, name: str, alias: str, history: Sequence[int]) -> None:
        self._client.set_registered_model_tag(name, _HISTORY_TAG + alias, json.dumps(list(history)))
        self._client.set_registered_model_alias(name, alias, str(history[-1]))


def _files_hash(folder: Path) -> str:
    return fingerprint({name: entry["sha256"] for name, entry in manifest_of(folder).items()})


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turn MLflow's errors into one line with the place."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise RegistryError(
            lines[0], where=uri, cure="check register.tracking_uri or MLFLOW_TRACKING_URI"
        ) from error
