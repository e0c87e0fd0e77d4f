"""The sample-ratio check: whether as many units came to each variant as were to come.

If not, units were lost or counted twice in one of the variants, and no comparison of them can be trusted.

References: A. Fabijan et al., Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, 2019 (alarm below
0.001); M. Lindon and A. Malek, Anytime-Valid Inference for Multinomial Count Data, 2022 (under peeking).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from luthier.evaluate.ab.chi_square import goodness_of_fit

ALARM = 0.001
_PRIOR_UNITS = 100.0


@dataclass(frozen=True)
class SampleRatio:
    """Counts of units against the shares that were planned.

    Args:
        counts: Of each variant.
        expected: Likewise.
        p_value: Chi-square, for one look.
        anytime_p_value: Valid at every look together; None where the order of the units is unknown.
    """

    counts: tuple[int, ...]
    expected: tuple[float, ...]
    p_value: float
    anytime_p_value: float | None

    @property
    def is_mismatch(self) -> bool:
        """Whether either test raises the alarm."""
        return min(self.p_value, self.anytime_p_value if self.anytime_p_value is not None else 1.0) < ALARM


def sample_ratio(variants_N: ArrayLike, shares_V: Sequence[float]) -> SampleRatio:
    """Check the variants of units in order of arrival.

    Args:
        variants_N: Numbers of variants, from 0.
        shares_V: Planned share of each variant; they are scaled to sum to 1.
    """
    variants = np.asarray(variants_N, dtype=np.int64)
    counts = np.bincount(variants, minlength=len(shares_V))
    expected = counts.sum() * np.asarray(shares_V) / sum(shares_V)
    return SampleRatio(
        tuple(int(count) for count in counts),
        tuple(float(value) for value in expected),
        goodness_of_fit(counts, shares_V).p_value,
        float(anytime_p_values(variants, shares_V)[-1]),
    )


def anytime_p_values(variants_N: ArrayLike, shares_V: Sequence[float]) -> NDArray[np.float64]:
    """Return the p-value after each unit, valid at all of them together.

    It is the inverse of the largest likelihood ratio so far of a Dirichlet mixture, as strong as 100 units around the
    planned shares, against these shares. It also finds a wrong order: units that were sorted by variant.

    Args:
        variants_N: Numbers of variants in order of arrival, from 0, shape [..., N].
        shares_V: Planned share of each.
    """
    variants = np.asarray(variants_N, dtype=np.int64)
    shares = np.asarray(shares_V, dtype=np.float64) / sum(shares_V)
    number = np.arange(1, variants.shape[-1] + 1)
    log_ratio = gammaln(_PRIOR_UNITS) - gammaln(_PRIOR_UNITS + number)
    for variant, share in enumerate(shares):
        counts = np.cumsum(variants == variant, axis=-1)
        prior = _PRIOR_UNITS * share
        log_ratio = log_ratio + gammaln(prior + counts) - gammaln(prior) - counts * np.log(share)
    return np.exp(-np.maximum.accumulate(np.maximum(log_ratio, 0.0), axis=-1))
