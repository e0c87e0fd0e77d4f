"""Every error that Luthier raises on purpose, each with a fault, a place and a cure.

The tree, with the exit code that the command line gives it::

    LuthierError                    2   a mistake of the user or of the surroundings
    ├── RecipeError                 2   one or more faults in a recipe
    ├── DataError                   2   rows that cannot be read, masked or split
    ├── TemplateError               2   a chat template that cannot be masked or served safely
    ├── ModelError                  2   a base or a saved model that cannot be loaded, or answers with NaN
    ├── MissingDependencyError      2   an extra that is not installed
    ├── TrainingError               2
    │   ├── NonFiniteLossError      2   the loss is NaN or infinite; the rows are named
    │   └── DiskFullError           2   no room on the disk
    ├── CheckpointError             2   damaged, foreign or missing checkpoint
    ├── RegistryError               2
    ├── ServeError                  2
    ├── GateFailedError             3   the model is not good enough to be registered
    └── Interrupted               130   Ctrl-C, after the state was saved
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass


class LuthierError(Exception):
    """A fault that the user can mend.

    Args:
        problem: What is wrong: what was got and what was expected.
        where: The file, row, field or recipe path that is at fault.
        cure: What to do about it.
    """

    exit_code = 2

    def __init__(self, problem: str, *, where: str | None = None, cure: str | None = None) -> None:
        self.problem = problem
        self.where = where
        self.cure = cure
        super().__init__(self._text())

    def _text(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{text}\n  → {self.cure}" if self.cure else text


@dataclass(frozen=True)
class Fault:
    """One fault of a recipe: its YAML path, what is wrong there and what to do."""

    path: str
    problem: str
    cure: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.path} (line {self.line})" if self.line else self.path
        text = f"{place}: {self.problem}" if place else self.problem
        return f"{text}\n    → {self.cure}" if self.cure else text


class RecipeError(LuthierError):
    """All faults of one recipe, reported at once."""

    def __init__(self, faults: Sequence[Fault], *, source: str = "recipe") -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__("\n".join([f"{source} has {count}:", *(f"  {fault}" for fault in self.faults)]))


class DataError(LuthierError):
    """Rows that cannot be read, converted, masked or split."""


class TemplateError(LuthierError):
    """A chat template or tokenizer that cannot be trained and served safely."""


class ModelError(LuthierError):
    """A base or a saved model that cannot be found or loaded, or whose answers are no numbers."""


class MissingDependencyError(LuthierError):
    """A package of an optional extra is not installed."""


class TrainingError(LuthierError):
    """Training cannot go on."""


class NonFiniteLossError(TrainingError):
    """The loss became NaN or infinite."""


class DiskFullError(TrainingError):
    """There is no room on the disk."""


class CheckpointError(LuthierError):
    """A checkpoint is damaged, belongs to another recipe, or is missing."""


class RegistryError(LuthierError):
    """The model registry refuses or cannot be reached."""


class ServeError(LuthierError):
    """The server cannot start or answer."""


class GateFailedError(LuthierError):
    """A quality gate failed: the model is not registered."""

    exit_code = 3


class Interrupted(LuthierError):
    """The user stopped the run; its state is saved."""

    exit_code = 130


def is_disk_full(error: BaseException) -> bool:
    """Whether an error means a full disk or quota; safetensors reports it as text only."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return type(error).__name__ == "SafetensorError" and "No space left" in str(error)


def system_refusal(error: BaseException) -> LuthierError | None:
    """Return what a user can mend behind an error of the operating system: no room, or a place that cannot be used.

    None for anything else, which may be a bug of ours.
    """
    place = str(error.filename) if isinstance(error, OSError) and error.filename else None
    if is_disk_full(error):
        cure = "make room and run the same command again: what is whole is kept"
        return DiskFullError("the disk is full", where=place, cure=cure)
    unusable = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR)
    if isinstance(error, OSError) and error.errno in unusable:
        cure = "choose a place that you may use, or change its rights"
        return LuthierError(str(error.strerror), where=place, cure=cure)
    return None
