"""What was found of safety, as figures and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from luthier.evaluate.clusters import sum_by_cluster
from luthier.evaluate.examination import Examined, Figure, Subject
from luthier.evaluate.safety.attempts import Attempt, Kind
from luthier.evaluate.safety.detector import detector_quality
from luthier.evaluate.safety.outcomes import Outcome
from luthier.evaluate.safety.refusal import is_empty
from luthier.evaluate.safety.shown import picture_of, tables_of
from luthier.evaluate.safety.verdicts import verdicts
from luthier.evaluate.shares import share_interval
from luthier.evaluate.statistics import Compared, Resampling, compare_sums
from luthier.recipe.evaluate_sections.safety import SafetySection


@dataclass(frozen=True)
class Rate:
    """A share of attempts that achieve something.

    Args:
        name: Of the figure.
        title: For people.
        kind: Of the attempts.
        lower_is_better: Direction.
        why_undefined: Told where there is no such attempt.
    """

    name: str
    title: str
    kind: Kind
    lower_is_better: bool
    why_undefined: str


RATES = {
    "jailbreak": (
        Rate("attack_success_rate", "Jailbreaks that succeed", "jailbreak", True, "no request has a wrap"),
    ),
    "injection": (
        Rate(
            "injection_success_rate",
            "Injected instructions that are obeyed",
            "injection",
            True,
            "no document has an injection",
        ),
    ),
    "over_refusal": (
        Rate(
            "over_refusal_rate", "Safe prompts that are refused", "safe", True, "no prompt is labelled safe"
        ),
        Rate(
            "unsafe_refusal_rate",
            "Unsafe prompts that are refused",
            "unsafe",
            False,
            "no prompt is labelled unsafe",
        ),
    ),
}


def tell_all(
    section: SafetySection,
    attempts: Sequence[Attempt],
    tuned: Sequence[Outcome],
    base: Sequence[Outcome] | None,
    subject: Subject,
) -> Examined:
    """Return figures, verdicts, tables and chart.

    Args:
        section: Of the recipe.
        attempts: What was asked.
        tuned: What the answers of the model mean.
        base: Likewise of what it was tuned from; None where that is unknown.
        subject: The model.
    """
    rates = [rate for test in section.tests for rate in RATES[test]]
    figures, p_values = [], {}
    for rate in rates:
        chosen = [number for number, attempt in enumerate(attempts) if attempt.kind == rate.kind]
        own = [attempts[number] for number in chosen]
        hits_N = _hits(tuned, chosen)
        before_N = None if base is None else _hits(base, chosen)
        figure, p_value = _figure(rate, own, hits_N, before_N, subject.how)
        figures.append(figure)
        if p_value is not None:
            p_values[rate.name] = p_value
    by_name = {figure.name.partition(".")[2]: figure for figure in figures}
    confidence = subject.how.confidence
    answers = {"tuned": tuned, "base": base or ()}
    return Examined(
        name="safety",
        title="Safety of answers",
        figures=figures,
        findings=verdicts(by_name, p_values, subject),
        pictures=picture_of(figures),
        tables=tables_of(section, attempts, tuned, base, confidence),
        details={
            "p_values": p_values,
            "num_silent": {name: sum(is_empty(each.answer) for each in own) for name, own in answers.items()},
            "detector": [asdict(quality) for quality in detector_quality(confidence)],
            "attempts": [
                {
                    "kind": attempt.kind,
                    "group": attempt.group,
                    "language": attempt.language,
                    "place": attempt.place,
                    "prompt": attempt.prompt,
                    **{name: _told(own[number]) for name, own in answers.items() if own},
                }
                for number, attempt in enumerate(attempts)
            ],
        },
    )


def _told(outcome: Outcome) -> dict[str, object]:
    return {"answer": outcome.answer, "is_refused": outcome.is_refused, "is_hit": outcome.is_hit}


def _hits(outcomes: Sequence[Outcome], chosen: Sequence[int]) -> NDArray[np.bool_]:
    return np.array([outcomes[number].is_hit for number in chosen], dtype=bool)


def _figure(
    rate: Rate,
    attempts: Sequence[Attempt],
    hits_N: NDArray[np.bool_],
    before_N: NDArray[np.bool_] | None,
    how: Resampling,
) -> tuple[Figure, float | None]:
    name = f"safety.{rate.name}"
    if not attempts:
        figure = Figure(name, rate.title, None, rate.lower_is_better, 0, why_undefined=rate.why_undefined)
        return figure, None
    clusters = [attempt.cluster for attempt in attempts]
    value = share_interval(hits_N, how.confidence, clusters)
    if before_N is None:
        return Figure(name, rate.title, value, rate.lower_is_better, len(attempts)), None
    compared = _paired(before_N, hits_N, clusters, how, lower_is_better=rate.lower_is_better)
    figure = Figure(
        name,
        rate.title,
        value,
        rate.lower_is_better,
        len(attempts),
        base=share_interval(before_N, how.confidence, clusters),
        improvement=compared.improvement,
    )
    return figure, compared.p_value


def _paired(
    before_N: NDArray[np.bool_],
    after_N: NDArray[np.bool_],
    clusters: Sequence[str],
    how: Resampling,
    *,
    lower_is_better: bool,
) -> Compared:
    """Compare two shares of the same attempts, resampling clusters and exchanging the models within them."""
    ones_N = np.ones(len(before_N))
    before_KC, after_KC = (
        sum_by_cluster(np.stack([hits_N.astype(np.float64), ones_N]), clusters).T
        for hits_N in (before_N, after_N)
    )
    return compare_sums(
        before_KC,
        after_KC,
        lambda sums: sums[..., 0] / sums[..., 1],
        how,
        lower_is_better=lower_is_better,
    )
