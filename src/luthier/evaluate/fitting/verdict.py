"""Verdicts on a training: fits, over-fitted, under-fitted, still improving or noisy, each with evidence and cure."""

from __future__ import annotations

from dataclasses import dataclass

from luthier.evaluate.examination import Finding
from luthier.evaluate.fitting.course import PATIENCE, Course
from luthier.evaluate.fitting.gap import Gap
from luthier.evaluate.measured import LOSS
from luthier.evaluate.statistics import Interval
from luthier.recipe.evaluate_sections.fitting import FittingSection

_NOISY_TURNS = 3


@dataclass(frozen=True)
class Evidence:
    """What verdicts are made from.

    Args:
        course: Losses over the steps.
        gap: Of the deciding measure: loss, or the first metric of a task with a head.
        excess: By how much tuning widened the gap of the loss; None where the base is not known.
        gain: Relative improvement of training rows over the base, or over the baseline; None where unknown.
        partner: Which of the two.
        kept_step: Whose weights the model has; None where unknown.
    """

    course: Course
    gap: Gap
    excess: Interval | None
    gain: Interval | None
    partner: str
    kept_step: int | None


def verdicts(evidence: Evidence, limits: FittingSection) -> list[Finding]:
    """Return what is wrong, the worst first; that the model fits, where nothing is.

    A gap counts only if the whole interval is beyond the limit, and only if tuning made it.
    """
    found = [
        *_over_fitted(evidence, limits),
        *_under_fitted(evidence, limits),
        *_too_long(evidence, limits),
        *_noisy(evidence, limits),
    ]
    is_bad = any(finding.is_bad for finding in found)
    found += _still_improving(evidence, limits)
    if not is_bad and not found:
        found = [Finding("the model fits well", _gap_text(evidence.gap))]
    elif not is_bad:
        found.insert(0, Finding("the model fits, as far as the rows can tell", _gap_text(evidence.gap)))
    return found


def _over_fitted(evidence: Evidence, limits: FittingSection) -> list[Finding]:
    relative, excess = evidence.gap.relative, evidence.excess
    if relative is None:
        return []
    is_by_nature = excess is not None and excess.low <= 0
    if relative.low > limits.max_gap_ratio and not is_by_nature:
        text = _gap_text(evidence.gap)
        if excess is not None:
            text += f"; tuning widened the gap in loss by {excess.shown('.3g')} nats"
        return [
            Finding(
                "over-fitted: the model knows its training rows better than others",
                text,
                _less(evidence),
                True,
            )
        ]
    if relative.high > limits.max_gap_ratio and not is_by_nature:
        return [
            Finding(
                "it may be over-fitted: the gap's interval reaches over the limit of "
                f"{limits.max_gap_ratio:.0%}",
                _gap_text(evidence.gap),
                "hold out more rows, so that the gap is known better",
            )
        ]
    return []


def _less(evidence: Evidence) -> str:
    """Return how to learn less by heart."""
    best = evidence.course.best
    if best is not None and evidence.kept_step is not None and best[0] < evidence.kept_step:
        return (
            f"stop at step {best[0]:.0f}, where held-out rows were best: train.load_best_model_at_end: true, "
            "train.early_stopping_patience: 1, or fewer train.num_train_epochs"
        )
    return (
        "more training rows, or a smaller method.r, fewer train.num_train_epochs, a higher train.weight_decay"
    )


def _under_fitted(evidence: Evidence, limits: FittingSection) -> list[Finding]:
    gain = evidence.gain
    cure = "a higher train.learning_rate, more train.num_train_epochs, or more trained weights (method.r)"
    if gain is not None and gain.high < limits.min_gain:
        text = f"training rows are {gain.shown('.1%')} better than with the {evidence.partner}"
        return [
            Finding(
                "under-fitted: even training rows gained little, or there was little to learn",
                text,
                cure,
                True,
            )
        ]
    if gain is None and evidence.course.is_stalled:
        text = "the training loss of the last fifth of the steps is that of the first, but for noise"
        return [Finding("under-fitted: the training loss does not fall", text, cure, True)]
    return []


def _too_long(evidence: Evidence, limits: FittingSection) -> list[Finding]:
    course, kept = evidence.course, evidence.kept_step
    rise, best = course.rise_at(course.last_step), course.best
    if best is None:
        return []
    is_kept_best = kept is not None and kept == best[0]
    cure = f"train.early_stopping_patience: 2, or an end near step {best[0]:.0f}"
    if rise is not None and rise > limits.max_rise:
        text = f"held-out loss was {best[1]:.4g} at step {best[0]:.0f} and {rise:.1%} higher at the end"
        if is_kept_best:
            return [
                Finding(
                    "training went on after its best; the kept weights are those of the best step", text, cure
                )
            ]
        return [Finding("trained too long: held-out rows got worse again", text, _less(evidence), True)]
    since = course.evaluations_since_gain(limits.min_progress)
    if since >= PATIENCE:
        text = f"the last {since} evaluations brought less than {limits.min_progress:.0%}"
        return [Finding("training went on without progress", text, cure)]
    return []


def _noisy(evidence: Evidence, limits: FittingSection) -> list[Finding]:
    turns = evidence.course.turns(limits.min_progress)
    if turns < _NOISY_TURNS:
        return []
    text = f"held-out loss turned {turns} times between falling and rising, by more than {limits.min_progress:.0%}"
    cure = "a lower train.learning_rate, larger batches (train.gradient_accumulation_steps), longer train.warmup_ratio"
    return [Finding("noisy: the held-out loss goes up and down", text, cure, True)]


def _still_improving(evidence: Evidence, limits: FittingSection) -> list[Finding]:
    course, drop = evidence.course, evidence.course.late_drop
    if (
        drop is None
        or course.best is None
        or drop <= limits.min_progress
        or course.best[0] != course.last_step
    ):
        return []
    text = f"held-out loss fell by {drop:.1%} over the last quarter of the training"
    return [Finding("still improving at the end", text, "more train.num_train_epochs")]


def _gap_text(gap: Gap) -> str:
    ends = f"{gap.title}: {gap.trained.value:.4g} on training rows, {gap.held_out.value:.4g} on held-out rows"
    if gap.relative is None:
        return ends
    what = "more loss" if gap.measure.rpartition(".")[2] == LOSS else "worse"
    return f"{ends}, {gap.relative.shown('.1%')} {what}"
