"""Tests at one look equal GrowthBook's, scipy's and statsmodels' values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from luthier.evaluate.ab.arm_estimate import (
    cuped_slope,
    estimate_from_sums,
    estimates,
    linearised,
    mean_estimate,
)
from luthier.evaluate.ab.chi_square import independence
from luthier.evaluate.ab.comparison import welch, welch_greater
from luthier.evaluate.ab.two_proportions import difference_z, two_proportions, two_proportions_greater
from luthier.evaluate.ab.units import Units, swapped
from tests.evaluate.ab.vectors import records

FILE = "17_ab_frequentist_sequential_cuped.json"
PAIRS = [((30, 300), (45, 310)), ((0, 50), (5, 40)), ((990, 1000), (970, 1000)), ((1, 12), (9, 11))]


def _arms(case: dict) -> list:
    names = ("a", "b")
    sums = [case["input"][name] for name in names]
    return [estimate_from_sums(arm["sum"], arm["sum_squares"], arm["n"]) for arm in sums]


@pytest.mark.parametrize("case", records(FILE, "welch_ttest_absolute"))
def test_growthbooks_absolute_t_test(case: dict) -> None:
    result, expected = welch(*_arms(case)), case["expected"]
    assert result.difference == pytest.approx(expected["diff"], abs=1e-5)
    assert (result.low, result.high) == pytest.approx(tuple(expected["ci95"]), abs=1e-5)
    assert result.p_value == pytest.approx(expected["p"], abs=1e-5)


@pytest.mark.parametrize("case", records(FILE, "welch_ttest_relative"))
def test_relative_and_absolute_never_disagree(case: dict) -> None:
    # GrowthBook's relative test of these data has p = 0.062 and an interval with 0, its absolute one p = 0.020.
    result = welch(*_arms(case))
    assert result.uplift == pytest.approx(case["expected"]["uplift"], abs=1e-5)
    assert result.uplift_low is not None and result.uplift_low > 0 and result.p_value < 0.05
    assert case["expected"]["ci95"][0] < 0


@pytest.mark.parametrize("case", records(FILE, "one_sided_greater_absolute"))
def test_growthbooks_one_sided_test(case: dict) -> None:
    assert welch_greater(*_arms(case)) == pytest.approx(case["expected"]["p"], abs=1e-5)


@pytest.mark.parametrize("case", records(FILE, "cuped_theta"))
def test_growthbooks_theta(case: dict) -> None:
    pre, post = (np.array(case["input"][name], dtype=float) for name in ("pre", "post"))
    # GrowthBook adds the sums of both arms, which hold the same units here.
    assert cuped_slope(post, pre) == pytest.approx(case["expected"], abs=1e-5)


def test_welch_equals_scipy() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.normal(1, 2, 40), generator.exponential(1.5, 55)
    theirs = stats.ttest_ind(b, a, equal_var=False)
    result = welch(mean_estimate(a), mean_estimate(b), alpha=0.1)
    interval = theirs.confidence_interval(0.9)
    assert result.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


@pytest.mark.parametrize(("control", "treatment"), PAIRS)
def test_two_proportions_equal_statsmodels(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    result = two_proportions(control, treatment)
    _, p_value = proportions_ztest([treatment[0], control[0]], [treatment[1], control[1]])
    assert result.p_value == pytest.approx(p_value, rel=1e-6)
    if control[0]:
        ratio = confint_proportions_2indep(
            *treatment, *control, method="score", compare="ratio", correction=False
        )
        assert (result.uplift_low + 1, result.uplift_high + 1) == pytest.approx(ratio, rel=1e-5)  # type: ignore[operator]
    else:
        assert result.uplift is None and result.uplift_high is None


def test_differences_have_the_published_interval() -> None:
    # R. Newcombe, Interval Estimation for the Difference Between Proportions, 1998, table II, method of Mee.
    result = two_proportions((48, 80), (56, 70))
    assert (result.low, result.high) == pytest.approx((0.0533, 0.3377), abs=5e-5)
    result = two_proportions((3, 10), (9, 10))
    assert (result.low, result.high) == pytest.approx((0.1821, 0.8370), abs=5e-5)


@pytest.mark.parametrize(("control", "treatment"), PAIRS)
def test_restricted_shares_are_the_most_likely(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    # statsmodels 0.15 restricts the shares otherwise where sizes differ, so the likelihood itself is searched.
    (x0, n0), (x1, n1) = control, treatment
    null = 0.1
    p = np.linspace(0, 0.9, 900_001)[1:-1]
    q = p + null
    likelihood = stats.binom.logpmf(x0, n0, p) + stats.binom.logpmf(x1, n1, q)
    best = p[likelihood.argmax()]
    error = math.sqrt(best * (1 - best) / n0 + (best + null) * (0.9 - best) / n1)
    z = (x1 / n1 - x0 / n0 - null) / error
    assert difference_z(control, treatment, null) == pytest.approx(z, rel=1e-4)


@pytest.mark.parametrize(("control", "treatment"), PAIRS)
def test_the_interval_ends_where_the_test_rejects(
    control: tuple[int, int], treatment: tuple[int, int]
) -> None:
    result = two_proportions(control, treatment)
    for end in (result.low, result.high):
        assert abs(difference_z(control, treatment, end)) == pytest.approx(1.959964, abs=1e-4)
    assert (result.low > 0 or result.high < 0) == (result.p_value < 0.05)


def test_a_regression_is_a_gain_turned_round() -> None:
    gain, loss = two_proportions((30, 300), (45, 310)), two_proportions((45, 310), (30, 300))
    assert (loss.low, loss.high) == pytest.approx((-gain.high, -gain.low), abs=1e-9)
    assert loss.p_value == pytest.approx(gain.p_value, rel=1e-9)


def test_chi_square_equals_scipy_and_the_square_of_z() -> None:
    counts = [[30, 270], [45, 265], [61, 300]]
    theirs = stats.chi2_contingency(counts, correction=False)
    ours = independence(counts)
    assert (ours.statistic, ours.freedom) == pytest.approx((theirs.statistic, theirs.dof))
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    two = independence([[270, 30], [265, 45]])
    assert two.statistic == pytest.approx(difference_z((30, 300), (45, 310), 0.0) ** 2)
    with pytest.raises(ValueError, match="two outcomes"):
        independence([[5, 0], [6, 0]])


def test_non_inferiority_is_shown_where_the_interval_ends_above_the_margin() -> None:
    for treated in range(240, 300, 4):
        interval = two_proportions((270, 300), (treated, 300))
        p_value = two_proportions_greater((270, 300), (treated, 300), 0.1)
        assert (p_value < 0.025) == (interval.low > -0.1)
    assert two_proportions_greater((270, 300), (265, 300), 0.0) > 0.5


def _clustered(generator: np.random.Generator, num_users: int) -> Units:
    """Users with several impressions each, who differ in how often they click."""
    treated = generator.random(num_users) < 0.5
    counts = generator.geometric(0.1, num_users)
    clicks = generator.binomial(counts, generator.beta(1, 4, num_users))
    return Units(treated, clicks.astype(float), counts.astype(float))


def test_ratios_by_the_delta_method_keep_their_level_where_rows_do_not() -> None:
    generator = np.random.default_rng(2)
    by_user, by_row = [], []
    for _ in range(1500):
        units = _clustered(generator, 300)
        by_user.append(welch(*estimates(units)).p_value)
        totals = [
            (int(units.totals_N[arm].sum()), int(units.counts_N[arm].sum()))
            for arm in (~units.is_treated_N, units.is_treated_N)
        ]
        by_row.append(abs(difference_z(*totals, 0.0)))
    assert 0.035 < np.mean(np.array(by_user) < 0.05) < 0.065
    assert np.mean(np.array(by_row) > 1.96) > 0.25


def test_the_delta_method_has_the_variance_of_the_textbook() -> None:
    units = _clustered(np.random.default_rng(3), 400)
    arm = ~units.is_treated_N
    x, y = units.totals_N[arm], units.counts_N[arm]
    covariance = np.cov(x, y)
    ratio = x.mean() / y.mean()  # Deng et al. 2018, equation 4
    variance = (covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1]) / y.mean() ** 2
    assert estimates(units)[0].variance == pytest.approx(variance / len(x), rel=1e-9)
    assert linearised(units)[arm].mean() == pytest.approx(ratio)


def _with_history(generator: np.random.Generator, effect: float = 0.0) -> Units:
    treated = generator.random(400) < 0.5
    strata = generator.integers(0, 3, 400)
    before = generator.gamma(2, 2, 400) + 3 * strata
    after = 0.9 * before + generator.normal(0, 1, 400) + effect * treated
    return Units(treated, after, np.ones(400), covariate_N=before, strata_N=strata)


def test_cuped_and_strata_narrow_the_interval_and_keep_the_level() -> None:
    generator = np.random.default_rng(4)
    widths, covered = [], []
    for _ in range(600):
        units = _with_history(generator, effect=0.3)
        plain = Units(units.is_treated_N, units.totals_N, units.counts_N)
        forms = (estimates(plain), estimates(units), estimates(units, use_covariate=True))
        found = [welch(*form) for form in forms]
        widths.append([one.high - one.low for one in found])
        covered.append([one.low <= 0.3 <= one.high for one in found])
    plain_width, stratified, adjusted = np.mean(widths, axis=0)
    assert stratified < 0.85 * plain_width and adjusted < 0.4 * plain_width
    assert (np.abs(np.mean(covered, axis=0) - 0.95) < 0.025).all()


def test_missing_covariates_change_nothing_for_their_units() -> None:
    units = _with_history(np.random.default_rng(5))
    assert units.covariate_N is not None
    units.covariate_N[:150] = np.nan
    control, treatment = estimates(units, use_covariate=True)
    assert math.isfinite(control.value) and math.isfinite(treatment.variance)


def test_swapping_the_variants_turns_the_sign() -> None:
    units = _with_history(np.random.default_rng(6), effect=0.5)
    one, other = (welch(*estimates(u, use_covariate=True)) for u in (units, swapped(units)))
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
