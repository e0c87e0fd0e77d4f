"""Artifact: the frozen result of a stage, stored in a folder that carries its fingerprint."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from luthier.core.files import read_json, write_json

ARTIFACT_FILE = "artifact.json"


@dataclass(frozen=True)
class Artifact:
    """What a stage made; subclasses add the facts that later stages read.

    Args:
        folder: Where the files lie.
        fingerprint: Hash of everything that determined the content: recipe values, inputs, versions.
    """

    stage: ClassVar[str] = ""

    folder: Path
    fingerprint: str

    def save(self) -> Self:
        """Write ``artifact.json``; done last, so that its presence says that the stage finished."""
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "folder"}
        write_json(self.folder / ARTIFACT_FILE, {"stage": self.stage, **facts})
        return self

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Return the artifact in ``folder``, or None if the stage did not finish there."""
        path = folder / ARTIFACT_FILE
        if not path.is_file():
            return None
        try:
            facts: dict[str, Any] = dict(read_json(path))
        except (ValueError, TypeError):
            return None  # damaged: made again
        if facts.pop("stage", None) != cls.stage:
            return None
        names = {f.name for f in dataclasses.fields(cls)}
        if set(facts) != names - {"folder"}:
            return None  # written by another version of this stage: made again
        return cls(folder=folder, **facts)
