"""Examinations: what is asked of a model besides its metrics on held-out rows, such as robustness or fairness.

Each is a room of its own below `evaluate/`, asked for by its section of ``evaluate:``, and answers with the same
parts, so that report, gates and command line know none of them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from luthier.data.example import Example
from luthier.data.sample import Sample
from luthier.data.template import ChatTemplate
from luthier.evaluate.shelf import Shelf
from luthier.evaluate.statistics import Interval, Resampling
from luthier.objectives.contract import Objective, Table


@dataclass(frozen=True)
class HeldOut:
    """Rows in the forms that evaluation needs.

    Args:
        rows: Encoded.
        samples: As read, in the same order; for raw text unused.
    """

    rows: Sequence[Example]
    samples: Sequence[Sample]


@dataclass(frozen=True)
class Subject:
    """The model under examination, and what is known about it.

    Args:
        load: Returns the model as it is served, in evaluation mode; of a `Shelf`, which loads it once a report. Leave
            its weights as they are, and let go of it before the base is asked for where both are not needed at once.
        load_base: Likewise what it was tuned from; None where nobody knows, or where the base has no head of its own.
        objective: Encodes rows, collates and judges them; its ``head`` is None for language models.
        tokenizer: Of the model.
        template: Its chat template; None for raw text and for tasks with a head.
        held_out: Rows that were not trained.
        trained: Rows that were; None for a model that was made elsewhere.
        history: Losses over the steps of its training, as in ``events.jsonl``; empty where unknown.
        dtype: Type of the computation.
        how: Draws, coverage and seed of intervals.
        recipe_folder: Relative paths of the recipe start here.
        tell: Told how many of how many parts of the examination are done.
        kept_step: Step of the training whose weights these are; None where unknown.
        shelf: Holds the models meanwhile.
    """

    load: Callable[[], Any]
    load_base: Callable[[], Any] | None
    objective: Objective
    tokenizer: Any
    template: ChatTemplate | None
    held_out: HeldOut
    trained: HeldOut | None
    history: Sequence[Mapping[str, Any]]
    dtype: torch.dtype
    how: Resampling
    recipe_folder: Path = Path()
    tell: Callable[[int, int], None] = lambda done, total: None
    kept_step: int | None = None
    shelf: Shelf = field(default_factory=Shelf)


@dataclass(frozen=True)
class Figure:
    """A number that a gate may judge.

    Args:
        name: As gates call it: the examination's name, a dot, and its own, e.g. ``robustness.success_rate``.
        title: For people.
        value: With its interval; None where it is undefined, which fails every gate on it.
        lower_is_better: Direction.
        num_rows: Rows, or attempts, that it stands on.
        base: The same of what the model was tuned from; None where that was not examined.
        improvement: Relative to the base, positive is better; None where that was not examined or scores 0.
        why_undefined: What was missing, where ``value`` is None.
    """

    name: str
    title: str
    value: Interval | None
    lower_is_better: bool
    num_rows: int
    base: Interval | None = None
    improvement: Interval | None = None
    why_undefined: str = ""


@dataclass(frozen=True)
class Finding:
    """What a person should know.

    Args:
        text: The verdict, in a sentence.
        evidence: The figures that it stands on.
        cure: What to do about it; empty where nothing is wrong.
        is_bad: Whether something is wrong.
    """

    text: str
    evidence: str
    cure: str = ""
    is_bad: bool = False


@dataclass(frozen=True)
class Picture:
    """A chart of the report.

    Args:
        title: Its heading.
        svg: From `luthier.core.charts`.
    """

    title: str
    svg: str


@dataclass(frozen=True)
class Examined:
    """What an examination found.

    Args:
        name: Of the examination, as in the recipe.
        title: For people.
        figures: What gates may judge.
        findings: Verdicts, the most important first.
        pictures: Charts.
        tables: Tables.
        details: What ``report.json`` holds besides.
    """

    name: str
    title: str
    figures: list[Figure]
    findings: list[Finding] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


class Examination(Protocol):
    """Asks a model more than its metrics tell."""

    def examine(self, subject: Subject) -> Examined:
        """Examine a model.

        Raises:
            DataError: The rows do not have what the examination needs; names what is missing and the cure.
        """
