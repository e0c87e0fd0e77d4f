"""The run folder: one folder per run that explains itself and needs no database."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.artifact import ARTIFACT_FILE
from luthier.core.errors import LuthierError
from luthier.core.files import atomic_folder, read_json, write_json, write_text


@dataclass(frozen=True)
class RunFolder:
    """Paths and records of one run.

    Args:
        path: ``runs/<id>``.
    """

    path: Path

    @property
    def name(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def events_path(self) -> Path:
        """One JSON line per event."""
        return self.path / "events.jsonl"

    def begin(self, *, recipe_text: str, plan: dict[str, Any], lock: dict[str, Any]) -> None:
        """Write what the run was asked for and what it stands on."""
        write_text(self.path / "recipe.yaml", recipe_text)
        write_json(self.path / "plan.json", plan)
        write_json(self.path / "lock.json", lock)

    def clear(self) -> None:
        """Delete everything but the lock."""
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != ".lock":
                path.unlink()

    def add_to_receipt(self, **proofs: Any) -> None:
        """Add what a stage proved, with figures, to ``receipt.json``."""
        path = self.path / "receipt.json"
        receipt = read_json(path) if path.is_file() else {}
        write_json(path, {**receipt, **proofs})

    def receipt(self) -> dict[str, Any]:
        """Return what was proved so far."""
        path = self.path / "receipt.json"
        return dict(read_json(path)) if path.is_file() else {}

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the run for this process; the system frees it however the process ends.

        Raises:
            LuthierError: Another process works on this run.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise LuthierError(
                    f"another process ({file.read().strip() or 'unknown'}) works on this run",
                    where=str(self.path),
                    cure="wait for it, or change the recipe's name",
                ) from error
            file.truncate(0)
            file.write(f"pid {os.getpid()}")
            file.flush()
            yield

    def adopt(self, stage_folder: str, fingerprint: str) -> Path | None:
        """Link a stage's result from a sibling run that has the same fingerprint.

        Returns:
            The sibling's folder, or None if no sibling has it.
        """
        for artifact in sorted(self.path.parent.glob(f"*/{stage_folder}/{ARTIFACT_FILE}")):
            if artifact.parents[1] == self.path or _fingerprint_of(artifact) != fingerprint:
                continue
            with atomic_folder(self.path / stage_folder) as partial:
                shutil.copytree(artifact.parent, partial, copy_function=_link, dirs_exist_ok=True)
            return artifact.parents[1]
        return None


def _fingerprint_of(artifact: Path) -> str | None:
    """Return the fingerprint in a sibling's record; None where it cannot be read: only that sibling is worse off."""
    try:
        return str(dict(read_json(artifact)).get("fingerprint"))
    except (OSError, ValueError, TypeError):
        return None


def _link(source: str, target: str) -> None:
    """Share the file's blocks where the file system can: results are never written in place."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
