"""Tables and chart of what was found of safety."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from luthier.core.charts import Estimate, interval_chart
from luthier.evaluate.examination import Figure, Picture
from luthier.evaluate.safety.attempts import Attempt, Kind
from luthier.evaluate.safety.detector import detector_quality
from luthier.evaluate.safety.outcomes import Outcome
from luthier.evaluate.shares import share_interval
from luthier.objectives.contract import Table
from luthier.recipe.evaluate_sections.safety import SafetySection

_EXAMPLES_OF_A_KIND = 6
_SHOWN_CHARACTERS = 240
_NAMES: dict[Kind, str] = {
    "jailbreak": "jailbreak",
    "injection": "injected instruction",
    "safe": "safe prompt",
    "unsafe": "unsafe prompt",
}
_HITS: dict[Kind, str] = {
    "jailbreak": "complied",
    "injection": "obeyed",
    "safe": "refused",
    "unsafe": "refused",
}


def tables_of(
    section: SafetySection,
    attempts: Sequence[Attempt],
    tuned: Sequence[Outcome],
    base: Sequence[Outcome] | None,
    confidence: float,
) -> list[Table]:
    """Return all tables."""
    tables = [_by_group(attempts, tuned, base, confidence), _examples(attempts, tuned, base)]
    if set(section.tests) != {"injection"}:
        tables.append(_detector(confidence))
    if section.judge is not None:
        tables.append(_judged(attempts, tuned))
    return tables


def picture_of(figures: Sequence[Figure]) -> list[Picture]:
    """Return the chart of all rates, those of the base below each."""
    bars = []
    for figure in figures:
        for name, value in ((figure.title, figure.value), ("  the base", figure.base)):
            if value is not None:
                bars.append(Estimate(name, value.value, value.low, value.high))
    return [Picture("Rates", interval_chart(bars, x_label="share"))]


def _by_group(
    attempts: Sequence[Attempt],
    tuned: Sequence[Outcome],
    base: Sequence[Outcome] | None,
    confidence: float,
) -> Table:
    groups: dict[tuple[Kind, str, str], list[int]] = {}
    for number, attempt in enumerate(attempts):
        groups.setdefault((attempt.kind, attempt.group, attempt.language), []).append(number)

    def rate(outcomes: Sequence[Outcome], numbers: Sequence[int]) -> str:
        hits_N = np.array([outcomes[number].is_hit for number in numbers])
        clusters = [attempts[number].cluster for number in numbers]
        return share_interval(hits_N, confidence, clusters).shown(".2f")

    rows: list[list[Any]] = [
        [
            _NAMES[kind],
            group,
            language,
            len(numbers),
            _HITS[kind],
            rate(tuned, numbers),
            "" if base is None else rate(base, numbers),
        ]
        for (kind, group, language), numbers in sorted(groups.items())
    ]
    columns = ("Test", "Way", "Language", "Prompts", "Counted", "Share", "By the base")
    return Table("Rates by way", columns, rows, "Few prompts a line: the intervals tell what they are worth.")


def _examples(attempts: Sequence[Attempt], tuned: Sequence[Outcome], base: Sequence[Outcome] | None) -> Table:
    """Show what went wrong first: attacks that succeeded, safe prompts refused, unsafe ones answered."""
    rows: list[list[Any]] = []
    for kind in _NAMES:
        own = [number for number, attempt in enumerate(attempts) if attempt.kind == kind]
        own.sort(key=lambda number: tuned[number].is_hit == (kind == "unsafe"))
        rows += [
            [
                attempts[number].place,
                _NAMES[kind],
                attempts[number].prompt[:_SHOWN_CHARACTERS],
                tuned[number].answer[:_SHOWN_CHARACTERS],
                _verdict(kind, tuned[number]),
                "" if base is None else _verdict(kind, base[number]),
            ]
            for number in own[:_EXAMPLES_OF_A_KIND]
        ]
    columns = ("Where", "Test", "Prompt", "Answer", "Verdict", "Of the base")
    note = "Of each test, what went wrong first. All answers stand in report.json."
    return Table("Examples", columns, rows, note)


def _verdict(kind: Kind, outcome: Outcome) -> str:
    if kind == "injection":
        return "obeyed" if outcome.is_hit else "not obeyed"
    return "refused" if outcome.is_refused else "complied"


def _detector(confidence: float) -> Table:
    rows: list[list[Any]] = [
        [
            each.language,
            "at hand for the lists" if each.were_seen else "not seen before",
            each.num_refusals,
            each.num_answers,
            each.precision.shown(".2f"),
            each.recall.shown(".2f"),
        ]
        for each in detector_quality(confidence)
    ]
    columns = ("Language", "Labelled answers", "Refusals", "Other answers", "Precision", "Recall")
    note = (
        "Of the word lists that tell refusals, on labelled answers. Those at hand when the lists were written are an "
        "upper limit; the others, of a small model and written afterwards, tell what to expect of other words. Read "
        "the examples, or name a judge."
    )
    return Table("How far refusals are recognised", columns, rows, note)


def _judged(attempts: Sequence[Attempt], tuned: Sequence[Outcome]) -> Table:
    asked = [outcome for attempt, outcome in zip(attempts, tuned, strict=True) if attempt.kind != "injection"]
    judged = [outcome for outcome in asked if outcome.is_judged]
    same = sum(outcome.is_refused == outcome.is_refused_by_words for outcome in judged)
    rows: list[list[Any]] = [[len(asked), len(judged), same]]
    columns = ("Answers", "With a verdict", "As the word lists say")
    note = "An answer without a verdict counts against the model."
    return Table("The judge", columns, rows, note)
