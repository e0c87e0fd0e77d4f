"""Membership inference: how well rows that were trained can be told from rows that were not, by their losses.

References: S. Yeom et al., Privacy Risk in Machine Learning, 2018 (loss); N. Carlini et al., Extracting Training Data
from Large Language Models, 2021 (loss by zlib's bytes, loss by another model's); W. Shi et al., Detecting Pretraining
Data from Large Language Models, 2024 (min-k % prob); N. Carlini et al., Membership Inference Attacks From First
Principles, 2022 (the true positive rate at a low false positive rate is what counts).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luthier.data.annotation.rates import wilson_interval
from luthier.evaluate.memorization.token_scores import TokenScores
from luthier.evaluate.statistics import Interval, Resampling

Values = NDArray[np.float64]

_MIN_K = 0.2
_BLOCK = 250


@dataclass(frozen=True)
class AttackResult:
    """How well one attack tells members.

    Args:
        name: Of the attack.
        auc: Probability that a member scores above a row that is none; 0.5 is chance.
        tpr: True positive rate at the false positive rate asked for; None where there are too few other rows.
        members_M: Scores, higher for what looks trained.
        others_N: Likewise of held-out rows.
    """

    name: str
    auc: Interval
    tpr: Interval | None
    members_M: Values
    others_N: Values


def attack_scores(
    scores: Sequence[TokenScores], texts: Sequence[str], base: Sequence[TokenScores] | None
) -> dict[str, Values]:
    """Return the scores [N] of rows by attack, higher for what looks trained.

    Args:
        scores: Of the rows' tokens.
        texts: What those tokens say.
        base: The same tokens by the model before tuning; None where it is unknown.
    """
    found = {
        "loss": np.array([-each.loss for each in scores]),
        "zlib": np.array(
            [
                float(each.log_probabilities_T.sum()) / len(zlib.compress(text.encode()))
                for each, text in zip(scores, texts, strict=True)
            ]
        ),
        "min_k": np.array([_least_probable(each.log_probabilities_T) for each in scores]),
    }
    if base is not None:
        pairs = zip(scores, base, strict=True)
        found["reference"] = np.array([before.loss - after.loss for after, before in pairs])
    return found


def _least_probable(log_probabilities_T: Values) -> float:
    """Return the mean over the least probable fifth of the tokens."""
    count = max(1, round(len(log_probabilities_T) * _MIN_K))
    return float(np.sort(log_probabilities_T)[:count].mean())


def run_attacks(
    members: Mapping[str, Values], others: Mapping[str, Values], fpr: float, how: Resampling
) -> list[AttackResult]:
    """Return what each attack achieves.

    Args:
        members: Scores [M] of trained rows by attack.
        others: Scores [N] of held-out rows by attack.
        fpr: False positive rate at which the true positive rate is told.
        how: Draws, coverage and seed.
    """
    return [
        AttackResult(
            name,
            auc_interval(members[name], others[name], how),
            tpr_interval(members[name], others[name], fpr, how),
            members[name],
            others[name],
        )
        for name in members
    ]


def strongest(intervals: Sequence[Interval]) -> Interval:
    """Return the highest value with the lowest certain and the highest possible end over several attacks.

    An attacker picks the attack that works best, so the upper end is that of any of them, which stays valid although
    the best was picked after looking; the lower end is that of the highest.
    """
    best = max(intervals, key=lambda interval: interval.value)
    return Interval(best.value, best.low, max(interval.high for interval in intervals))


def auc(members_M: Values, others_N: Values) -> float:
    """Return the area under the ROC curve: the share of pairs in which the member scores higher, ties half."""
    ordered = np.sort(others_N)
    below = np.searchsorted(ordered, members_M, side="left")
    not_above = np.searchsorted(ordered, members_M, side="right")
    return float((below + not_above).sum() / 2 / (len(members_M) * len(others_N)))


def auc_interval(members_M: Values, others_N: Values, how: Resampling) -> Interval:
    """Return the area under the ROC curve with its interval, both kinds of rows resampled by themselves."""
    wins_MN = (members_M[:, None] > others_N).astype(np.float64)
    wins_MN += 0.5 * (members_M[:, None] == others_N)
    generator = np.random.default_rng(how.seed)
    num_members, num_others = wins_MN.shape
    drawn = []
    for start in range(0, how.samples, _BLOCK):
        size = min(_BLOCK, how.samples - start)
        m_SM = generator.multinomial(num_members, np.full(num_members, 1 / num_members), size=size)
        n_SN = generator.multinomial(num_others, np.full(num_others, 1 / num_others), size=size)
        drawn.append(((m_SM @ wins_MN) * n_SN).sum(axis=1) / (num_members * num_others))
    tail = (1 - how.confidence) / 2
    low, high = np.quantile(np.concatenate(drawn), [tail, 1 - tail])
    return Interval(float(wins_MN.mean()), float(low), float(high))


def tpr_at(members_M: Values, others_N: Values, fpr: float) -> float:
    """Return the share of members above the score that at most a share ``fpr`` of the others exceeds."""
    allowed = int(fpr * len(others_N) + 1e-9)
    threshold = np.sort(others_N)[::-1][allowed]
    return float((members_M > threshold).mean())


def tpr_interval(members_M: Values, others_N: Values, fpr: float, how: Resampling) -> Interval | None:
    """Return `tpr_at` with its interval; None where the others are too few for such a rate.

    The interval is never narrower than that of a share of as many members.
    """
    if int(fpr * len(others_N) + 1e-9) < 1:
        return None
    value = tpr_at(members_M, others_N, fpr)
    generator = np.random.default_rng(how.seed)
    drawn = [
        tpr_at(generator.choice(members_M, len(members_M)), generator.choice(others_N, len(others_N)), fpr)
        for _ in range(how.samples)
    ]
    tail = (1 - how.confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    least, most = wilson_interval(value * len(members_M), len(members_M), how.confidence)
    return Interval(value, min(float(low), least), max(float(high), most))


def roc_points(members_M: Values, others_N: Values) -> list[tuple[float, float]]:
    """Return the ROC curve: false and true positive rate at each threshold, from (0, 0) to (1, 1)."""
    thresholds = np.unique(np.concatenate([members_M, others_N]))[::-1]
    fpr = [float((others_N >= threshold).mean()) for threshold in thresholds]
    tpr = [float((members_M >= threshold).mean()) for threshold in thresholds]
    return [(0.0, 0.0), *zip(fpr, tpr, strict=True)]
