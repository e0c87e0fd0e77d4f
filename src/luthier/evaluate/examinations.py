"""Which examination belongs to which section of ``evaluate:``, and how those that are asked for are run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from luthier.core.events import EventLog
from luthier.evaluate.benchmarks.check import Benchmarks
from luthier.evaluate.examination import Examination, Examined, Subject
from luthier.evaluate.fairness.check import FairnessExamination
from luthier.evaluate.fitting.check import Fitting
from luthier.evaluate.generalization.check import Generalization
from luthier.evaluate.memorization.check import Memorization
from luthier.evaluate.pass_at_k.check import PassAtK
from luthier.evaluate.robustness.check import RobustnessExamination
from luthier.evaluate.safety.check import Safety
from luthier.recipe.evaluate_sections.examination import ExaminationSection

EXAMINATIONS: Mapping[str, Callable[[Any], Examination]] = {
    "benchmarks": Benchmarks,
    "fairness": FairnessExamination,
    "fitting": Fitting,
    "generalization": Generalization,
    "memorization": Memorization,
    "pass_at_k": PassAtK,
    "robustness": RobustnessExamination,
    "safety": Safety,
}
"""By the key of the section that asks for it, from which it is made."""


def examine_all(
    sections: Mapping[str, ExaminationSection], subject: Subject, events: EventLog
) -> list[Examined]:
    """Run the examinations that a recipe asks for, one after the other.

    Args:
        sections: Of ``evaluate:``, by key.
        subject: The model.
        events: Told which one runs, and how far it is.

    Raises:
        DataError: The rows do not have what an examination needs.
        AssertionError: An examination changed the weights of a model.
    """
    return [_examine(name, section, subject, events) for name, section in sections.items()]


def _examine(name: str, section: ExaminationSection, subject: Subject, events: EventLog) -> Examined:
    events.emit("step", stage="evaluate", name=name)
    examination = EXAMINATIONS[name](section)
    subject.shelf.check("what came before it")
    found = examination.examine(replace(subject, tell=partial(_tell, events)))
    # The next one gets the same models.
    subject.shelf.check(f"the examination {name}")
    promised = section.figure_names_in(subject.recipe_folder)
    for figure in found.figures:
        # What the plan does not know of, no gate could name.
        assert any(fnmatchcase(figure.name, known) for known in promised), (figure.name, promised)
    return found


def _tell(events: EventLog, done: int, total: int) -> None:
    events.emit("progress", stage="evaluate", done=done, total=total)
