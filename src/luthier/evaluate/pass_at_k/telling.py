"""Figures, verdicts, table and chart of pass@k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from luthier.core.charts import Estimate, interval_chart
from luthier.core.wording import count_of
from luthier.evaluate.examination import Examined, Figure, Finding, Picture, Subject
from luthier.evaluate.measured import ratio
from luthier.evaluate.pass_at_k.estimate import pass_at_k
from luthier.evaluate.pass_at_k.problems import Problem
from luthier.evaluate.pass_at_k.sandbox import Outcome
from luthier.evaluate.statistics import Values, compare_sums, ratio_interval
from luthier.objectives.contract import Table
from luthier.recipe.evaluate_sections.pass_at_k import PassAtKSection

_EXAMPLES, _LISTED = 20, 10
_SHOWN_CHARACTERS = 240
_SURE = 0.05
_MANY_CUT = 0.2
"""Share of answers that were cut off, from which on the limit, not the model, may decide."""


@dataclass(frozen=True)
class Tried:
    """An answer and what became of it.

    Args:
        answer: Of a model.
        outcome: Of its check.
        is_cut: Whether it ended at the limit of tokens.
    """

    answer: str
    outcome: Outcome
    is_cut: bool


Answers = Sequence[Sequence[Tried]]
"""To each problem, all that were drawn."""


def tell_all(
    section: PassAtKSection,
    asked: Sequence[Problem],
    left_out: Sequence[tuple[str, str]],
    tuned: Answers,
    base: Answers | None,
    subject: Subject,
    why_no_base: str = "",
) -> Examined:
    """Return what was found.

    Args:
        section: Of the recipe.
        asked: Problems.
        left_out: Places of rows whose answers cannot be checked, with the reason.
        tuned: Answers of the model.
        base: Likewise of what it was tuned from; None where that is unknown.
        subject: The model.
        why_no_base: Why what it was tuned from could not be asked; empty where it could, or where that is unknown.
    """
    figures, p_values = [], {}
    for k in section.k:
        figure, p_value = _figure(k, tuned, base, subject)
        figures.append(figure)
        if p_value is not None:
            p_values[figure.name] = p_value
    findings = _verdict(figures[0], p_values, tuned, base) if asked else [_not_measured(figures[0])]
    findings += _no_base(why_no_base)
    findings += [*_left_out(section, asked, left_out, subject), *_cut(section, tuned), *_open(section, tuned)]
    return Examined(
        "pass_at_k",
        "Right within k answers (pass@k)",
        figures,
        findings,
        _pictures(figures),
        [_examples(asked, tuned, base)] if asked else [],
        {
            "check": section.check,
            "samples": section.samples,
            "p_values": p_values,
            "left_out": [{"place": place, "reason": reason} for place, reason in left_out],
            "rows": [
                {
                    "place": problem.place,
                    "prompt": problem.prompt,
                    "reference": problem.reference,
                    **{
                        name: [_told(each) for each in answers[number]]
                        for name, answers in (("tuned", tuned), ("base", base))
                        if answers
                    },
                }
                for number, problem in enumerate(asked)
            ],
        },
    )


def _figure(k: int, tuned: Answers, base: Answers | None, subject: Subject) -> tuple[Figure, float | None]:
    name, title = f"pass_at_k.{k}", f"pass@{k}: right within {count_of(k, 'answer')}"
    if not tuned:
        why = "no row has a reference or tests by which answers could be checked"
        return Figure(name, title, None, False, 0, why_undefined=why), None
    after_N = _estimates(tuned, k)
    ones_N = np.ones(len(after_N))
    if base is None:
        return Figure(name, title, ratio_interval(after_N, ones_N, subject.how), False, len(tuned)), None
    before_N2, after_N2 = (np.stack([each_N, ones_N], axis=1) for each_N in (_estimates(base, k), after_N))
    compared = compare_sums(before_N2, after_N2, ratio, subject.how, lower_is_better=False)
    figure = Figure(
        name,
        title,
        compared.tuned,
        False,
        len(tuned),
        base=compared.base,
        improvement=compared.improvement,
    )
    return figure, compared.p_value


def _estimates(answers: Answers, k: int) -> Values:
    """Return pass@k of each problem."""
    return np.array([pass_at_k(len(tried), _num_right(tried), k) for tried in answers], dtype=np.float64)


def _num_right(tried: Sequence[Tried]) -> int:
    return sum(each.outcome.is_passed for each in tried)


def _verdict(
    figure: Figure, p_values: dict[str, float], tuned: Answers, base: Answers | None
) -> list[Finding]:
    assert figure.value is not None
    solved = sum(_num_right(tried) > 0 for tried in tuned)
    drawn = count_of(len(tuned[0]), "answer")
    evidence = (
        f"{figure.value.shown('.1%')}; {solved:,} of {len(tuned):,} rows right at least once in {drawn}"
    )
    if figure.base is None:
        return [Finding(f"{figure.title}: {figure.value.value:.1%}", evidence)]
    before = sum(_num_right(tried) > 0 for tried in base or ())
    p_value = p_values[figure.name]
    evidence += f"; of the base {figure.base.shown('.1%')}, {before:,} rows; p = {p_value:.2g}"
    change = figure.value.value - figure.base.value
    if not solved and not before:
        cure = "ask easier rows, draw more samples, or read the examples: the form may be what is wrong"
        return [Finding("No answer is right, neither of the model nor of its base", evidence, cure)]
    if p_value >= _SURE or not change:
        return [Finding("Tuning did not change how often answers are right beyond chance", evidence)]
    if change > 0:
        return [Finding("Tuning made more answers right", evidence)]
    cure = "train fewer steps or at a lower rate, or mix rows of this kind into the training"
    return [Finding("Tuning made fewer answers right", evidence, cure, is_bad=True)]


def _not_measured(figure: Figure) -> Finding:
    return Finding("pass@k is not measured", figure.why_undefined, "see evaluate.pass_at_k.rows", is_bad=True)


def _no_base(why: str) -> list[Finding]:
    if not why:
        return []
    cure = "gate on the figure itself with min; a gate relative to the base fails"
    return [Finding("The base was not asked, so nothing is compared", why, cure, is_bad=True)]


def _left_out(
    section: PassAtKSection, asked: Sequence[Problem], left_out: Sequence[tuple[str, str]], subject: Subject
) -> list[Finding]:
    found = []
    if left_out:
        shown = "; ".join(f"{place}: {reason}" for place, reason in left_out[:_LISTED])
        more = f"; {len(left_out) - _LISTED:,} more" if len(left_out) > _LISTED else ""
        text = f"Answers to {count_of(len(left_out), 'row')} cannot be checked"
        found.append(Finding(text, shown + more, "mend these rows, or choose another check", is_bad=True))
    if section.rows is None:
        wanted = min(section.max_rows, len(subject.held_out.samples))
        if missing := wanted - len(asked) - len(left_out):
            evidence = f"of {wanted:,}; they have no last answer, or leave no room for {section.max_new_tokens} tokens"
            found.append(Finding(f"{count_of(missing, 'held-out row')} cannot be asked", evidence))
    return found


def _cut(section: PassAtKSection, tuned: Answers) -> list[Finding]:
    cut = [each.is_cut for tried in tuned for each in tried]
    if not cut or np.mean(cut) < _MANY_CUT:
        return []
    text = f"{np.mean(cut):.0%} of the answers were cut off"
    cure = "raise evaluate.pass_at_k.max_new_tokens, or name in stop what ends an answer"
    return [
        Finding(
            text, f"at {section.max_new_tokens:,} tokens; a right answer may come later", cure, is_bad=True
        )
    ]


def _open(section: PassAtKSection, tuned: Answers) -> list[Finding]:
    """Say where the system did not let us close network, processes and files."""
    if not any(each.outcome.is_closed is False for tried in tuned for each in tried):
        return []
    text = "The model's code ran with network, and could start processes and change files"
    evidence = "this system does not let Luthier close them; time and memory were limited"
    return [Finding(text, evidence, "run it on Linux, or in a container without network", is_bad=True)]


def _pictures(figures: Sequence[Figure]) -> list[Picture]:
    bars = [
        Estimate(name, value.value, value.low, value.high)
        for figure in figures
        for name, value in ((figure.title, figure.value), ("  the base", figure.base))
        if value is not None
    ]
    return [Picture("pass@k", interval_chart(bars, x_label="share of rows"))] if bars else []


def _examples(asked: Sequence[Problem], tuned: Answers, base: Answers | None) -> Table:
    """Show the rows with the fewest right answers first, with a wrong answer where there is one."""
    order = sorted(range(len(asked)), key=lambda number: _num_right(tuned[number]))
    rows: list[list[Any]] = []
    for number in order[:_EXAMPLES]:
        problem, tried = asked[number], tuned[number]
        shown = next((each for each in tried if not each.outcome.is_passed), tried[0])
        rows.append(
            [
                problem.place,
                problem.prompt[:_SHOWN_CHARACTERS],
                problem.reference[-_SHOWN_CHARACTERS:],
                shown.answer[:_SHOWN_CHARACTERS],
                shown.outcome.problem or "right",
                f"{_num_right(tried)} of {len(tried)}",
                "" if base is None else f"{_num_right(base[number])} of {len(base[number])}",
            ]
        )
    columns = ("Where", "Prompt", "Reference", "An answer", "Verdict", "Right", "Of the base")
    note = "The rows with the fewest right answers first. All answers stand in report.json."
    return Table("Examples", columns, rows, note)


def _told(tried: Tried) -> dict[str, object]:
    return {"answer": tried.answer, "is_right": tried.outcome.is_passed, "problem": tried.outcome.problem}
