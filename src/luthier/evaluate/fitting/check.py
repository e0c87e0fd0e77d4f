"""The examination of fitting: the gap between training and held-out rows, the course of training, and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from luthier.core.charts import Estimate, Series, interval_chart, line_chart, smoothed
from luthier.core.errors import DataError
from luthier.evaluate.examination import Examined, Figure, HeldOut, Picture, Subject
from luthier.evaluate.fitting.course import Course
from luthier.evaluate.fitting.gap import Gap, deciding, excess_gap, gain_over, gaps_of
from luthier.evaluate.fitting.verdict import Evidence, verdicts
from luthier.evaluate.measured import LOSS, measures_of, spread
from luthier.evaluate.statistics import Interval
from luthier.objectives.contract import Measure, Table
from luthier.recipe.evaluate_sections.fitting import FittingSection

_FEWEST_ROWS = 2


@dataclass(frozen=True)
class _Sides:
    """Measures of one model on training rows and on held-out rows."""

    trained: list[Measure]
    held_out: list[Measure]

    def of(self, name: str) -> tuple[Measure, Measure]:
        first, second = (next(m for m in side if m.name == name) for side in (self.trained, self.held_out))
        return first, second


@dataclass(frozen=True)
class Fitting:
    """Examines how much of the training rows a model has learnt.

    Args:
        section: Of the recipe.
    """

    section: FittingSection

    def examine(self, subject: Subject) -> Examined:
        """Measure both sides, look at the course of training, and give the verdict.

        Raises:
            DataError: The training rows are not known, or a side has too few rows.
        """
        if subject.trained is None:
            raise DataError(
                "the rows that this model was trained on are not known, so there is no gap to held-out rows",
                where="evaluate.fitting",
                cure="leave evaluate.fitting out, or examine the model in the run that trained it",
            )
        trained, held_out = (_side(subject, which, self.section.rows) for which in ("trained", "held_out"))
        has_base = subject.load_base is not None and subject.objective.evaluator is None
        total = 4 if has_base else 2
        tuned = _sides(subject.load, subject, trained, held_out, lambda done: subject.tell(done, total))
        how = subject.how
        gaps = gaps_of(tuned.trained, tuned.held_out, how)
        name = deciding(tuned.trained)
        for needed in (LOSS, name):
            if needed not in gaps:
                raise DataError(f"{needed} does not exist on the training rows", where="evaluate.fitting")
        base_gap, excess, gain, partner = None, None, None, "base"
        base_loss = None
        if has_base and subject.load_base is not None:
            base = _sides(
                subject.load_base, subject, trained, held_out, lambda done: subject.tell(2 + done, total)
            )
            base_gap = gaps_of(base.trained, base.held_out, how).get(LOSS)
            (base_trained, base_held_out), (tuned_trained, tuned_held_out) = base.of(LOSS), tuned.of(LOSS)
            excess = excess_gap((base_trained, tuned_trained), (base_held_out, tuned_held_out), how)
            base_loss = base.of(LOSS)[0]
        elif subject.objective.evaluator is not None:
            evaluator, partner = subject.objective.evaluator, "baseline"
            said = evaluator.baseline(trained.rows, trained.samples)
            base_loss = next(
                m for m in evaluator.measures(said, trained.rows, trained.samples) if m.name == LOSS
            )
        if base_loss is not None:
            gain = gain_over(base_loss, tuned.of(LOSS)[0], how)
        course = Course.of(subject.history)
        evidence = Evidence(course, gaps[name], excess, gain, partner, subject.kept_step)
        return Examined(
            name="fitting",
            title="Over- and under-fitting",
            figures=_figures(
                gaps,
                base_gap,
                evidence,
                len(trained.rows) + len(held_out.rows),
                may_have_base=subject.objective.evaluator is None,
            ),
            findings=verdicts(evidence, self.section),
            pictures=_pictures(course, gaps),
            tables=[_table(gaps)],
            details={
                "gaps": {each: asdict(gap) for each, gap in gaps.items()},
                "rows": {"trained": len(trained.rows), "held_out": len(held_out.rows)},
                "course": {
                    "last_step": course.last_step,
                    "kept_step": subject.kept_step,
                    "best": course.best,
                    "late_drop": course.late_drop,
                    "turns": course.turns(self.section.min_progress),
                },
            },
        )


def _side(subject: Subject, which: str, most: int) -> HeldOut:
    side: HeldOut = getattr(subject, which)
    if len(side.rows) < _FEWEST_ROWS:
        title = "training" if which == "trained" else "held-out"
        raise DataError(
            f"there are {len(side.rows)} {title} rows; a gap with its interval needs {_FEWEST_ROWS} at least",
            where="evaluate.fitting",
            cure="data.eval.split: 0.1, or more rows",
        )
    return spread(side, most, by_sample=subject.objective.evaluator is not None)


def _sides(
    load: Callable[[], Any],
    subject: Subject,
    trained: HeldOut,
    held_out: HeldOut,
    tell: Callable[[int], None],
) -> _Sides:
    model = load()
    first = measures_of(model, subject, trained)
    tell(1)
    second = measures_of(model, subject, held_out)
    tell(2)
    return _Sides(first, second)


def _figures(
    gaps: Mapping[str, Gap], base: Gap | None, evidence: Evidence, num_rows: int, *, may_have_base: bool
) -> list[Figure]:
    course, loss = evidence.course, gaps[LOSS]
    rise = None if evidence.kept_step is None else course.rise_at(evidence.kept_step)

    def figure(
        name: str, title: str, value: Interval | None, before: Interval | None = None, why: str = ""
    ) -> Figure:
        why = "" if value else why
        return Figure(f"fitting.{name}", title, value, True, num_rows, base=before, why_undefined=why)

    trained = figure("train_loss", "Loss of training rows", loss.trained, base.trained if base else None)
    excess = figure(
        "excess_gap",
        "By how much tuning widened the gap in loss",
        evidence.excess,
        why="the base's losses on these rows are not known",
    )
    return [
        replace(trained, improvement=evidence.gain if base else None),
        figure(
            "gap",
            "Held-out loss less that of training rows",
            loss.difference,
            base.difference if base else None,
        ),
        figure(
            "gap_ratio",
            "The gap in loss, relative to training rows",
            loss.relative,
            base.relative if base else None,
            "the loss of the training rows is 0",
        ),
        *([excess] if may_have_base else []),
        _fact("rise", "Held-out loss of the kept weights above the lowest, relative", rise, course),
        _fact("best_step_distance", "Share of training after the best step", course.distance, course),
        *(
            figure(f"gap.{name}", f"{gap.title}: how much worse held-out rows are", gap.difference)
            for name, gap in gaps.items()
            if name != LOSS
        ),
    ]


def _fact(name: str, title: str, value: float | None, course: Course) -> Figure:
    """Return a figure of the one training that there was: it has no sampling interval."""
    interval = None if value is None else Interval(value, value, value)
    why = "" if interval else "held-out rows were not measured during training, or once only"
    return Figure(f"fitting.{name}", title, interval, True, len(course.held_out), why_undefined=why)


def _pictures(course: Course, gaps: Mapping[str, Gap]) -> list[Picture]:
    series = [
        Series("each step, in training mode", course.training, "faint"),
        Series("training, running mean", smoothed(course.training), "first"),
    ]
    if course.held_out:
        series.append(Series("held out", course.held_out, "second", has_marks=True))
    pictures = [
        Picture("Losses over the steps", line_chart(series, x_label="optimizer step", y_label="loss in nats"))
    ] if course.training else []  # fmt: skip
    ends: Sequence[tuple[str, Interval]] = [
        (side, interval)
        for gap in gaps.values()
        if gap.measure == LOSS
        for side, interval in (("training rows", gap.trained), ("held-out rows", gap.held_out))
    ]
    estimates = [Estimate(name, end.value, end.low, end.high) for name, end in ends]
    pictures.append(
        Picture("Both sides, as the model is served", interval_chart(estimates, x_label="loss in nats"))
    )
    return pictures


def _table(gaps: Mapping[str, Gap]) -> Table:
    lines = [
        [
            gap.title,
            _text(gap.trained),
            _text(gap.held_out),
            _text(gap.difference),
            _text(gap.relative, ".1%"),
        ]
        for gap in gaps.values()
    ]
    return Table(
        "Training rows and held-out rows",
        ("measure", "training rows", "held-out rows", "worse by", "relative"),
        lines,
        "One model, in evaluation mode, on both; intervals by resampling the rows of each side.",
    )


def _text(interval: Interval | None, form: str = ".4g") -> str:
    return (
        "–"
        if interval is None
        else f"{interval.value:{form}} ({interval.low:{form}} to {interval.high:{form}})"
    )
