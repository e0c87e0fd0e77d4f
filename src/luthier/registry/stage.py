"""The register stage: a model whose gates passed becomes a version, and the alias moves to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from luthier.core.artifact import Artifact
from luthier.registry.mlflow_registry import Registry


@dataclass(frozen=True)
class ModelVersion(Artifact):
    """A registered version.

    Args:
        name: Of the registered model.
        version: Its number, from 1.
        alias: That moved to it.
        uri: How commands name it.
        tracking_uri: The registry.
    """

    stage: ClassVar[str] = "register"

    name: str
    version: int
    alias: str
    uri: str
    tracking_uri: str


def register(
    name: str,
    alias: str,
    model_folder: Path,
    *,
    tracking_uri: str | None,
    run: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    history: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
    files: Sequence[Path],
    folder: Path,
    fingerprint: str,
) -> ModelVersion:
    """Register a model whose gates have passed; see `Registry.register` for the arguments that go there.

    Args:
        folder: Gets the record of the version.
        fingerprint: Of this stage.

    Raises:
        RegistryError: The registry cannot be reached.
    """
    registry = Registry(tracking_uri)
    version = registry.register(
        name,
        alias,
        model_folder,
        run=run,
        parameters=parameters,
        metrics=metrics,
        history=history,
        tags=tags,
        files=files,
    )
    made = ModelVersion(
        folder=folder,
        fingerprint=fingerprint,
        name=name,
        version=version.number,
        alias=alias,
        uri=version.uri,
        tracking_uri=registry.uri,
    )
    folder.mkdir(parents=True, exist_ok=True)
    return made.save()
