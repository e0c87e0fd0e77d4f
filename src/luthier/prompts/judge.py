"""Judge: which prompt is better, how much, and whether the difference is real, in figures and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.evaluate.clusters import sum_by_cluster
from luthier.evaluate.effect_size import EffectSize, cohens_h, paired_d
from luthier.evaluate.multiple_tests import holm
from luthier.evaluate.statistics import Interval, Resampling, paired_interval, paired_p_value, ratio_interval
from luthier.prompts.rows import PromptRow
from luthier.prompts.scoring import PromptMetric

_POWER = 0.8


@dataclass(frozen=True)
class Settings:
    """How differences are judged.

    Args:
        confidence: Of the intervals; 1 less it is the chance of a false finding that is taken.
        bootstrap_samples: Resamples of an interval.
        permutations: Of a test.
        seed: Of both.
        cluster_by: Field of the rows that stand and fall together; None for single rows.
    """

    confidence: float = 0.95
    bootstrap_samples: int = 2000
    permutations: int = 20_000
    seed: int = 0
    cluster_by: str | None = None


@dataclass(frozen=True)
class Pair:
    """A comparison of two prompts; the first has the higher score.

    Args:
        better: Name.
        worse: Name.
        difference: Of the scores.
        p_value: Two-sided, of a paired permutation test.
        adjusted_p_value: After Holm's correction for all pairs.
        effect: How large it is.
        is_real: Whether the corrected test finds it.
        detectable: Difference that such a comparison finds in 8 of 10 cases.
        text: All this in words.
    """

    better: str
    worse: str
    difference: Interval
    p_value: float
    adjusted_p_value: float
    effect: EffectSize
    is_real: bool
    detectable: float
    text: str


@dataclass(frozen=True)
class Verdict:
    """What a comparison shows.

    Args:
        scores: Of each prompt.
        pairs: Each two of them.
        text: Which prompt to take, and how sure that is.
    """

    scores: list[Interval]
    pairs: list[Pair]
    text: str


def judged(
    names: Sequence[str],
    scores_PN: NDArray[np.float64],
    metric: PromptMetric,
    settings: Settings,
    *,
    rows: Sequence[PromptRow],
    tokens: Sequence[float | None],
) -> Verdict:
    """Judge all pairs of prompts.

    Args:
        names: Of the prompts, P of them.
        scores_PN: Score of each prompt in each of N rows.
        metric: What they are.
        settings: See there.
        rows: N of them, for clusters.
        tokens: Mean length of each prompt.

    Raises:
        DataError: A row has no cluster, there are too few, or no test of so few permutations could find anything.
    """
    sums_PK, counts_K = _by_cluster(scores_PN, rows, settings.cluster_by)
    how = Resampling(settings.bootstrap_samples, settings.confidence, settings.seed)
    scores = [ratio_interval(sums_K, counts_K, how) for sums_K in sums_PK]
    pairs = list(combinations(range(len(names)), 2))
    alpha = 1 - settings.confidence
    if pairs and len(pairs) / (settings.permutations + 1) > alpha:
        problem = (
            f"{settings.permutations} permutations cannot find a difference among {len(pairs)} comparisons"
        )
        raise DataError(problem, where="--permutations", cure=f"at least {math.ceil(len(pairs) / alpha)}")
    test = replace(how, samples=settings.permutations)
    p_values = [paired_p_value(sums_PK[a], sums_PK[b], test) for a, b in pairs]
    found = [
        _pair(names, scores_PN, sums_PK, counts_K, pair, (p, float(adjusted)), metric, how, len(pairs))
        for pair, p, adjusted in zip(pairs, p_values, holm(p_values), strict=True)
    ]
    return Verdict(scores, found, _summary(names, scores, found, metric, tokens))


def _by_cluster(
    scores_PN: NDArray[np.float64], rows: Sequence[PromptRow], field: str | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums of each cluster, shape [P, K], and its rows, shape [K]."""
    counted = np.vstack([scores_PN, np.ones(len(rows))])
    if field is not None:
        for row in rows:
            if row.fields.get(field) is None:
                problem = f"has no field {field!r}, by which rows belong together"
                raise DataError(problem, where=row.place, cure=f"its fields are {', '.join(row.fields)}")
        counted = sum_by_cluster(counted, [str(row.fields[field]) for row in rows])
    if counted.shape[1] < 2:
        raise DataError(
            "one row, or one cluster, shows no difference", where=rows[0].source, cure="more rows"
        )
    return counted[:-1], counted[-1]


def _pair(
    names: Sequence[str],
    scores_PN: NDArray[np.float64],
    sums_PK: NDArray[np.float64],
    counts_K: NDArray[np.float64],
    pair: tuple[int, int],
    p_values: tuple[float, float],
    metric: PromptMetric,
    how: Resampling,
    num_pairs: int,
) -> Pair:
    high, low = sorted(pair, key=lambda number: (-scores_PN[number].mean(), number))
    difference = paired_interval(sums_PK[high], sums_PK[low], counts_K, lambda a, b: a - b, how)
    a, b = scores_PN[high], scores_PN[low]
    effect = cohens_h(float(a.mean()), float(b.mean())) if metric.is_share else paired_d(a, b)
    p_value, adjusted = p_values
    alpha = 1 - how.confidence
    detectable = _detectable(sums_PK[high] - sums_PK[low], counts_K, alpha / num_pairs)
    is_real = adjusted <= alpha
    figures = f"{a.mean():.3f} against {b.mean():.3f}"
    text = _words(
        names[high],
        names[low],
        figures,
        difference,
        how.confidence,
        adjusted,
        num_pairs,
        effect,
        is_real,
        detectable,
    )
    return Pair(names[high], names[low], difference, p_value, adjusted, effect, is_real, detectable, text)


def _detectable(differences_K: NDArray[np.float64], counts_K: NDArray[np.float64], alpha: float) -> float:
    """Return the mean difference that a test at a level finds with a power of 0.8, from the spread that is seen."""
    num_clusters = len(differences_K)
    centred = differences_K - counts_K * differences_K.sum() / counts_K.sum()
    error = math.sqrt(float(centred @ centred) * num_clusters / (num_clusters - 1)) / float(counts_K.sum())
    return (NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(_POWER)) * error


def _words(
    better: str,
    worse: str,
    figures: str,
    difference: Interval,
    confidence: float,
    p_value: float,
    num_pairs: int,
    effect: EffectSize,
    is_real: bool,
    detectable: float,
) -> str:
    corrected = f" after correction for {num_pairs} comparisons" if num_pairs > 1 else ""
    interval = f"{confidence:.0%} interval {difference.low:+.3f} to {difference.high:+.3f}"
    if is_real:
        return (
            f"{better} is better than {worse}: {figures}, {difference.value:+.3f} ({interval}). The difference is "
            f"real (p = {p_value:.2g}{corrected}) and {effect.size} ({effect.name} {effect.value:.2f})."
        )
    if difference.value == detectable == 0:  # nothing varies from row to row
        return f"{better} and {worse} have the same score in every row."
    return (
        f"No difference between {better} and {worse} is shown: {figures}, {difference.value:+.3f} ({interval}, "
        f"p = {p_value:.2g}{corrected}). It may be chance; on these rows a difference of {detectable:.3f} would be "
        "found in 8 of 10 cases."
    )


def _summary(
    names: Sequence[str],
    scores: Sequence[Interval],
    pairs: Sequence[Pair],
    metric: PromptMetric,
    tokens: Sequence[float | None],
) -> str:
    best = max(range(len(names)), key=lambda number: scores[number].value)
    figure = f"{metric.label} {scores[best].value:.3f}"
    if len(names) == 1:
        return f"{names[0]}: {figure} ({scores[0].low:.3f} to {scores[0].high:.3f})."
    tied = [pair.worse for pair in pairs if pair.better == names[best] and not pair.is_real]
    if not tied:
        others = f"all {len(names) - 1} others" if len(names) > 2 else "the other"
        return (
            f"{names[best]} is the best: {figure}. It is better than {others}, and each difference is real."
        )
    text = f"{names[best]} has the highest score ({figure}), but is not shown to be better than {', '.join(tied)}."
    length = dict(zip(names, tokens, strict=True))
    own = length[names[best]]
    cheapest = min(tied, key=lambda name: length[name] or math.inf)
    if own and (least := length[cheapest]) and least < 0.9 * own:
        text += f" {cheapest} takes {least:.0f} prompt tokens a row, {names[best]} {own:.0f}: prefer the shorter one."
    return text
