"""Finished answers: kept as they come, so that a comparison goes on where it was stopped and asks nothing twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from luthier.core.hashing import fingerprint
from luthier.data.annotation.journal import append, locked
from luthier.prompts.answer import Answer, Asked
from luthier.prompts.prompt import Rendered
from luthier.prompts.sections import PromptFile


def answer_key(asked: Asked, rendered: Rendered, file: PromptFile, *, chooses: bool) -> str:
    """Return a hash of all that an answer depends on.

    Args:
        asked: The model.
        rendered: The question.
        file: How it is put and answered.
        chooses: Whether choices are measured, not an answer generated.
    """
    turns = [(turn.role, turn.content) for turn in rendered.messages]
    how = rendered.choices if chooses else (file.max_new_tokens, file.stop)
    return fingerprint(asked.identity, file.format, turns, chooses, how)


class FinishedAnswers:
    """A file of answers by what they depend on.

    Args:
        path: JSON lines. A last line that a crash cut short is taken away: it was never complete.

    Attributes:
        num_cut: Lines that were taken away, 0 or 1.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: dict[str, Answer] = {}
        self.num_cut = 0
        if path.is_file():
            self._read()

    def __getitem__(self, key: str) -> Answer:
        return self._answers[key]

    def __contains__(self, key: str) -> bool:
        return key in self._answers

    def add(self, answers: Sequence[tuple[str, Answer]]) -> None:
        """Keep answers, on the disk when this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self._path):
            append(self._path, [{"key": key, **answer.as_json()} for key, answer in answers])
        self._answers.update(answers)

    def _read(self) -> None:
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            self.num_cut = 1
            with locked(self._path), self._path.open("r+b") as file:
                file.truncate(len(whole))
        for line in whole.splitlines():
            kept = json.loads(line)
            key = kept.pop("key")
            self._answers[key] = Answer.from_json(kept)
