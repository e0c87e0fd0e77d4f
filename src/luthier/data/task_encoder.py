"""TaskEncoder: rows of several tasks, each encoded as its own task says; a row without one is left out, counted."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from luthier.core.errors import DataError
from luthier.data.encode import Encoder, LearningEncoder, reject
from luthier.data.example import Example, Rejection
from luthier.data.sample import Sample


class TaskEncoder:
    """Encodes each row by the encoder of its task.

    Args:
        encoders: Of each task, by name.
    """

    def __init__(self, encoders: Mapping[str, Encoder]) -> None:
        self._encoders = encoders

    def learn(self, samples: Iterable[Sample]) -> dict[str, Any]:
        """Let each task look at its own training rows.

        Raises:
            DataError: A task has no training row, or nothing can be trained on those it has.
        """
        own: dict[str, list[Sample]] = {name: [] for name in self._encoders}
        counts: Counter[str | None] = Counter()
        for sample in samples:
            counts[sample.task] += 1
            if sample.task in own:
                own[sample.task].append(sample)
        facts: dict[str, Any] = {}
        for name, encoder in self._encoders.items():
            if not own[name]:
                raise _no_rows(name, counts)
            learned = {}
            if isinstance(encoder, LearningEncoder):
                try:
                    learned = encoder.learn(own[name])
                except DataError as error:
                    problem = f"task {name}: {error.problem}"
                    raise DataError(problem, where=error.where, cure=error.cure) from error
            facts[name] = {"rows": len(own[name]), "learned": learned}
        return facts

    def recall(self, facts: Mapping[str, Any]) -> None:
        """Take up what `learn` returned before."""
        for name, encoder in self._encoders.items():
            if isinstance(encoder, LearningEncoder):
                encoder.recall(facts[name]["learned"])

    def __call__(self, sample: Sample) -> list[Example] | Rejection:
        """Encode one row; its examples know their task."""
        if sample.task is None:
            detail = f"the row names no task; name it at its source (`task:`): {', '.join(self._encoders)}"
            return reject(sample, "no_task", detail)
        encoder = self._encoders.get(sample.task)
        if encoder is None:
            near = difflib.get_close_matches(sample.task, list(self._encoders), n=1)
            known = f"did you mean {near[0]!r}?" if near else f"the tasks are {', '.join(self._encoders)}"
            return reject(sample, "unknown_task", f"{sample.task!r} is no task of the recipe; {known}")
        result = encoder(sample)
        if isinstance(result, Rejection):
            return result
        return [replace(example, task=sample.task) for example in result]


def _no_rows(task: str, counts: Mapping[str | None, int]) -> DataError:
    found = ", ".join(
        f"{count} of {name!r}" if name else f"{count} without a task" for name, count in counts.items()
    )
    return DataError(
        f"task {task} has no training row" + (f"; there are {found}" if found else ""),
        where="objective.tasks",
        cure=f"name a source of its rows: `{{path: FILE, task: {task}}}`",
    )
