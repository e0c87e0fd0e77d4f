"""An experiment analysed: its sample ratio, and each treatment against the control on each metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from luthier.core.errors import DataError
from luthier.evaluate.ab.arm_estimate import ArmEstimate, estimates
from luthier.evaluate.ab.betting import Bounds, Design, anytime_p_value, log_capital
from luthier.evaluate.ab.chi_square import ChiSquare, independence
from luthier.evaluate.ab.comparison import Comparison, welch, welch_greater
from luthier.evaluate.ab.confidence_sequence import Range, difference_sequence, uplift_sequence
from luthier.evaluate.ab.effect_prior import DEFAULT_PLANNED_UNITS, prior_for_units
from luthier.evaluate.ab.rate_sequence import rate_sequence
from luthier.evaluate.ab.rows import Metric, UnitRow
from luthier.evaluate.ab.sample_ratio import SampleRatio, sample_ratio
from luthier.evaluate.ab.two_proportions import two_proportions, two_proportions_greater
from luthier.evaluate.ab.units import Units
from luthier.evaluate.multiple_tests import holm

MOST_STRATA = 50


@dataclass(frozen=True)
class Settings:
    """How an experiment is analysed.

    Args:
        control: Name of the control.
        shares: Planned share of each variant, by name.
        alpha: One minus the coverage of intervals.
        planned_units: Of control and treatment together, as planned before the experiment.
        bounds: Of a metric per unit, by its name, known before the experiment.
        margins: Of non-inferiority, in units of the metric, by its name.
        lower_is_better: Names of metrics.
    """

    control: str
    shares: Mapping[str, float]
    alpha: float = 0.05
    planned_units: float = DEFAULT_PLANNED_UNITS
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)
    lower_is_better: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Sequential:
    """What may be read at any time.

    Args:
        p_value: Valid at all looks together.
        adjusted_p_value: Likewise, by Holm over all comparisons.
        difference: Confidence sequence; None where no constant difference fits.
        uplift: Likewise relative to the control; None also where that has no meaning.
        first_found: Number of units at the first look that found the effect; None if none did.
        verdict: ``better``, ``worse`` or ``undecided``, by the adjusted p-value.
    """

    p_value: float
    adjusted_p_value: float
    difference: Range | None
    uplift: Range | None
    first_found: int | None
    verdict: str


@dataclass(frozen=True)
class Compared:
    """A treatment against the control on one metric.

    Args:
        metric: Its name.
        treatment: Name of the variant.
        control_estimate: Plain, without covariate.
        treatment_estimate: Likewise.
        fixed: At one look, with strata and covariate where there are any.
        adjusted_p_value: Of the fixed test, by Holm over all comparisons.
        non_inferiority: One-sided p-value of the margin; None where there is no margin.
        sequential: At every look.
        kind: ``rate``, ``mean`` or ``ratio``.
    """

    metric: str
    treatment: str
    control_estimate: ArmEstimate
    treatment_estimate: ArmEstimate
    fixed: Comparison
    adjusted_p_value: float
    non_inferiority: float | None
    sequential: Sequential
    kind: str


@dataclass(frozen=True)
class Analysis:
    """An experiment analysed.

    Args:
        ratio: Whether as many units came as were to come.
        compared: Each metric of each treatment.
        chi_square: Of rates over more than two variants, by metric.
        rates: Confidence sequences of each variant's rate, by metric and variant.
    """

    ratio: SampleRatio
    variants: tuple[str, ...]
    compared: tuple[Compared, ...]
    chi_square: Mapping[str, ChiSquare]
    rates: Mapping[str, Mapping[str, tuple[float, float]]]


def analyse(rows: Sequence[UnitRow], metrics: Sequence[Metric], settings: Settings) -> Analysis:
    """Analyse units in the order in which they were complete.

    Raises:
        DataError: A variant has too few units, is not planned, or a metric cannot be computed.
    """
    variants = (settings.control, *(name for name in settings.shares if name != settings.control))
    _check(rows, variants, settings)
    number = {name: index for index, name in enumerate(variants)}
    ratio = sample_ratio([number[row.variant] for row in rows], [settings.shares[name] for name in variants])
    compared, chi_square, rates = [], {}, {}
    for index, metric in enumerate(metrics):
        for treatment in variants[1:]:
            compared.append(_compare(rows, index, metric, treatment, settings))
        if compared[-1].kind == "rate":
            counts = _rate_counts(rows, index, variants)
            rates[metric.name] = {
                name: rate_sequence(*counts[name], settings.alpha, settings.planned_units / 2)
                for name in variants
            }
            if len(variants) > 2 and 0 < sum(x for x, _ in counts.values()) < len(rows):
                chi_square[metric.name] = independence([(x, n - x) for x, n in counts.values()])
    return Analysis(ratio, variants, _corrected(compared, settings), chi_square, rates)


def _check(rows: Sequence[UnitRow], variants: Sequence[str], settings: Settings) -> None:
    present = {name: sum(row.variant == name for row in rows) for name in {row.variant for row in rows}}
    if unknown := sorted(set(present) - set(variants)):
        cure = f"name it in --shares, whose variants are {', '.join(variants)}"
        row = next(row.row for row in rows if row.variant == unknown[0])
        raise DataError(f"variant {unknown[0]!r} is not planned", where=f"row {row}", cure=cure)
    for name in variants:
        if present.get(name, 0) < 2:
            raise DataError(
                f"variant {name!r} has {present.get(name, 0)} units, at least 2 were expected",
                cure=f"the variants in the file are {', '.join(sorted(present))}",
            )


def _units(rows: Sequence[UnitRow], index: int, treatment: str, settings: Settings) -> Units:
    chosen = [row for row in rows if row.variant in (settings.control, treatment)]
    covariate = np.array([row.covariate for row in chosen])
    strata = sorted({row.stratum for row in chosen if row.stratum is not None})
    if len(strata) > MOST_STRATA:
        cure = "a stratum is one of a few groups, such as a country; join the rare ones"
        raise DataError(f"there are {len(strata)} strata, at most {MOST_STRATA} can be weighed", cure=cure)
    codes = {name: code for code, name in enumerate(strata)}
    return Units(
        np.array([row.variant == treatment for row in chosen]),
        np.array([row.totals[index] for row in chosen]),
        np.array([row.counts[index] for row in chosen]),
        None if np.isnan(covariate).all() else covariate,
        np.array([codes[row.stratum] for row in chosen]) if strata else None,  # type: ignore[index]
    )


def _compare(
    rows: Sequence[UnitRow], index: int, metric: Metric, treatment: str, settings: Settings
) -> Compared:
    units = _units(rows, index, treatment, settings)
    for name, arm in ((settings.control, ~units.is_treated_N), (treatment, units.is_treated_N)):
        if units.counts_N[arm].sum() <= 0:
            problem = (
                f"{metric.denominator} of variant {name!r} sums to 0, so that {metric.name} is undefined"
            )
            raise DataError(problem, cure="wait for units that have it")
    kind = "ratio" if metric.denominator else "rate" if units.is_binary else "mean"
    plain = estimates(replace(units, covariate_N=None, strata_N=None))
    margin = settings.margins.get(metric.name)
    fixed, non_inferiority = _fixed(
        units, kind, settings.alpha, margin, metric.name in settings.lower_is_better
    )
    sequential = _sequential(units, metric, kind, treatment, settings)
    return Compared(metric.name, treatment, *plain, fixed, fixed.p_value, non_inferiority, sequential, kind)


def _fixed(
    units: Units, kind: str, alpha: float, margin: float | None, is_lower_better: bool
) -> tuple[Comparison, float | None]:
    """Return the test at one look, and the p-value of non-inferiority."""
    if kind == "rate" and units.covariate_N is None and units.strata_N is None:
        control, treatment = (_share(units.totals_N[units.is_treated_N == arm]) for arm in (False, True))
        worse = None
        if margin is not None:  # where less is better the control must not be lower by the margin
            lower, higher = (treatment, control) if is_lower_better else (control, treatment)
            worse = two_proportions_greater(lower, higher, margin)
        return two_proportions(control, treatment, alpha), worse
    notes = ["delta method"] * (kind == "ratio") + ["post-stratified"] * (units.strata_N is not None)
    notes += ["CUPED"] * (units.covariate_N is not None)
    try:
        arms = estimates(units, use_covariate=units.covariate_N is not None)
    except ValueError as error:
        cure = "join small strata: each needs two units of each variant"
        raise DataError(str(error), where="--stratum", cure=cure) from error
    worse = None if margin is None else welch_greater(*(arms[::-1] if is_lower_better else arms), margin)
    return welch(*arms, alpha, test=", ".join(["Welch's t", *notes])), worse


def _share(totals: np.ndarray) -> tuple[int, int]:
    return int(totals.sum()), len(totals)


def _sequential(units: Units, metric: Metric, kind: str, treatment: str, settings: Settings) -> Sequential:
    shares = settings.shares
    share = shares[treatment] / (shares[treatment] + shares[settings.control])
    bounds = (0.0, 1.0) if kind == "rate" else settings.bounds.get(metric.name)
    if bounds is not None:
        for total in (units.totals_N.min(), units.totals_N.max()):
            if not bounds[0] <= total <= bounds[1]:
                problem = f"a unit has {total:g}, outside of {bounds[0]:g} to {bounds[1]:g}"
                raise DataError(
                    problem, where=f"--bounds {metric.name}", cure="name bounds that hold, or none"
                )
    design = Design(prior_for_units(settings.planned_units, share), share, bounds)
    p_values = anytime_p_value(log_capital(units, design))
    is_found = p_values <= settings.alpha
    return Sequential(
        p_value=float(p_values[-1]),
        adjusted_p_value=float(p_values[-1]),
        difference=difference_sequence(units, design, settings.alpha),
        uplift=uplift_sequence(units, design, settings.alpha),
        first_found=int(is_found.argmax()) + 1 if is_found.any() else None,
        verdict="undecided",
    )


def _rate_counts(rows: Sequence[UnitRow], index: int, variants: Sequence[str]) -> dict[str, tuple[int, int]]:
    totals = {name: [row.totals[index] for row in rows if row.variant == name] for name in variants}
    return {name: (round(sum(values)), len(values)) for name, values in totals.items()}


def _corrected(compared: Sequence[Compared], settings: Settings) -> tuple[Compared, ...]:
    """Return comparisons with p-values corrected for their number, and the verdicts that follow."""
    fixed = holm([one.fixed.p_value for one in compared])
    anytime = holm([one.sequential.p_value for one in compared])
    result = []
    for one, of_fixed, of_anytime in zip(compared, fixed, anytime, strict=True):
        verdict = "undecided"
        if of_anytime <= settings.alpha:
            is_lower = one.fixed.difference < 0
            verdict = "better" if is_lower == (one.metric in settings.lower_is_better) else "worse"
        sequential = replace(one.sequential, adjusted_p_value=float(of_anytime), verdict=verdict)
        result.append(replace(one, adjusted_p_value=float(of_fixed), sequential=sequential))
    return tuple(result)
