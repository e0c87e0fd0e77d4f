"""The register stage: a model whose gates passed becomes a version, and the alias moves to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from luthier.core.artifact import Artifact
from luthier.registry.mlflow_registry import Registry, TrackedRun


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

    def as_json(self) -> dict[str, str]:
        """Return what receipt and summary of a run say of the version."""
        return {"version": self.uri, "alias": self.alias, "registry": self.tracking_uri}


def register(
    name: str,
    alias: str,
    model_folder: Path,
    tracked: TrackedRun,
    *,
    tracking_uri: str | None,
    folder: Path,
    fingerprint: str,
) -> ModelVersion:
    """Register a model whose gates have passed.

    Args:
        name: Of the registered model.
        alias: Moves to the new version.
        model_folder: The model.
        tracked: The run that made it.
        tracking_uri: The registry; None takes the default of `Registry`.
        folder: Gets the record of the version.
        fingerprint: Of this stage.

    Raises:
        RegistryError: The registry cannot be reached.
    """
    registry = Registry(tracking_uri, may_create=True)
    version = registry.register(name, alias, model_folder, tracked)
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
