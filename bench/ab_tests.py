"""Tests under peeking: the tables of docs/ab-tests.md.

Experiments without and with an effect are simulated, and every test is asked after every unit, from the first. Beside
Luthier's sequential test stand the test for one look, and GrowthBook's sequential test of the relative uplift, written
anew from its published formulas and checked against its published values.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri
from scipy.stats import beta

from luthier.evaluate.ab.betting import Design, log_capital
from luthier.evaluate.ab.effect_prior import prior_for_units
from luthier.evaluate.ab.expectation import sums_before
from luthier.evaluate.ab.units import Units

ALPHA, LIMIT = 0.05, math.log(20)
KINDS = ("binary", "mean", "skewed", "ratio")
RATES = (0.5, 0.1, 0.01)
UPLIFTS = ((0.5, 0.1), (0.5, -0.1), (0.1, 0.4), (0.1, -0.4), (0.01, 1.0), (0.01, -0.7))
BATCH = 400_000
"""Units that are held at a time."""


@dataclass(frozen=True)
class Cells:
    """The part of a table that is measured: every kind at every base rate."""

    kinds: tuple[str, ...]
    rates: tuple[float, ...]


def drawn(kind: str, rate_SN: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return totals and counts of units, each with its base rate.

    binary: an event. mean: an event of a size that varies little (gamma, shape 4). skewed: of a size with a long tail
    (log-normal, sigma 1.5). ratio: events of a user in several views, users differing in number and rate.
    """
    shape = rate_SN.shape
    happened = generator.random(shape) < rate_SN
    if kind == "binary":
        return happened.astype(float), np.ones(shape)
    if kind == "mean":
        return happened * generator.gamma(4.0, 2.5, shape), np.ones(shape)
    if kind == "skewed":
        return happened * generator.lognormal(3.0, 1.5, shape), np.ones(shape)
    counts = generator.geometric(0.2, shape)
    rates = generator.beta(4 * rate_SN, 4 * (1 - rate_SN))
    return generator.binomial(counts, rates).astype(float), counts.astype(float)


def experiments(
    kind: str, rate: float, uplift: float, num_units: int, num_tests: int, seed: int
) -> Iterator[Units]:
    """Yield experiments in batches that fit into memory."""
    generator = np.random.default_rng(seed)
    size = max(1, BATCH // num_units)
    for start in range(0, num_tests, size):
        shape = (min(size, num_tests - start), num_units)
        treated = generator.random(shape) < 0.5
        yield Units(treated, *drawn(kind, rate * np.where(treated, 1 + uplift, 1.0), generator))


def standardised(kind: str, rate: float, uplift: float) -> float:
    """Return the effect in standard deviations, exactly: a sample of a long tail would not tell them."""
    moments = [_moments(kind, each) for each in (rate, rate * (1 + uplift))]
    (mean, _), (treated, _) = moments
    if (
        kind == "ratio"
    ):  # of `total - middle * count`, over the mean count; counts have mean 5 and variance 20
        middle = (mean + treated) / 2
        variance = np.mean([within + 45 * (one - middle) ** 2 for one, within in moments]) / 25
    else:
        variance = np.mean([square for _, square in moments]) - ((mean + treated) / 2) ** 2
    return float(abs(treated - mean) / math.sqrt(variance))


def _moments(kind: str, rate: float) -> tuple[float, float]:
    """Return the mean and mean square of a unit; of a ratio the square of its distance from its own mean."""
    if kind == "binary":
        return rate, rate
    if kind == "mean":
        return 10.0 * rate, 125.0 * rate
    if kind == "skewed":
        return math.exp(3 + 1.5**2 / 2) * rate, math.exp(6 + 2 * 1.5**2) * rate
    spread = rate * (1 - rate)  # rates of users have a fifth of it as their variance
    return rate, 5 * spread * 4 / 5 + 45 * spread / 5


def luthier_first(units: Units, kind: str, planned: float) -> np.ndarray:
    """Return the unit at which each experiment is found to have an effect; infinite if it is not."""
    design = Design(prior_for_units(planned), 0.5, (0.0, 1.0) if kind == "binary" else None)
    return first(log_capital(units, design) >= LIMIT)


def first(is_found_SN: np.ndarray) -> np.ndarray:
    """Return the number of the first look that found something."""
    return np.where(is_found_SN.any(axis=1), is_found_SN.argmax(axis=1) + 1.0, np.inf)


def moments(units: Units) -> tuple[np.ndarray, ...]:
    """Return of control, then treatment, number, metric and variance of a unit, after each unit (delta method)."""
    found: list[np.ndarray] = []
    for arm in (~units.is_treated_N, units.is_treated_N):
        x, y = units.totals_N * arm, units.counts_N * arm
        n, sx, sy, sxx, sxy, syy = (
            sums_before(values) + values for values in (arm.astype(float), x, y, x * x, x * y, y * y)
        )
        ratio = sx / sy
        squares = sxx - 2 * ratio * sxy + ratio**2 * syy
        found += [n, ratio, squares / (n - 1) / (sy / n) ** 2]
    return tuple(found)


def peers_first(units: Units) -> dict[str, np.ndarray]:
    """Return the first look at which the test for one look, and GrowthBook's sequential ones, find an effect."""
    with np.errstate(all="ignore"):
        n0, m0, v0, n1, m1, v1 = moments(units)
        absolute = v0 / n0 + v1 / n1
        # The relative uplift's variance is that of a ratio of means.
        relative = v1 / (n1 * m0**2) + v0 * m1**2 / (n0 * m0**4)
        ready = (n0 > 1) & (n1 > 1) & (v0 > 0) & (v1 > 0)  # as GrowthBook asks, too
        tests = {
            "one look": np.abs(m1 - m0) / np.sqrt(absolute) > ndtri(1 - ALPHA / 2),
            "GrowthBook absolute": np.abs(m1 - m0) > growthbook_halfwidth(absolute, n0 + n1),
            "GrowthBook relative": np.abs((m1 - m0) / m0) > growthbook_halfwidth(relative, n0 + n1),
        }
        return {name: first(ready & found) for name, found in tests.items()}


def found_at_one_look(units: Units, num_units: int) -> np.ndarray:
    """Return whether the test for one look finds an effect after so many units."""
    shown = Units(*(values[:, :num_units] for values in (units.is_treated_N, units.totals_N, units.counts_N)))
    with np.errstate(all="ignore"):  # before both variants have units
        n0, m0, v0, n1, m1, v1 = (values[:, -1] for values in moments(shown))
    return np.abs(m1 - m0) / np.sqrt(v0 / n0 + v1 / n1) > ndtri(1 - ALPHA / 2)


def growthbook_halfwidth(
    variance: np.ndarray, n: np.ndarray, tuning: float = 5000.0, *, one_sided: bool = False
) -> np.ndarray:
    """Return the half of the interval of GrowthBook's sequential test (asymptotic confidence sequence)."""
    alpha = 2 * ALPHA if one_sided else ALPHA
    rho = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuning)
    scaled = n * rho**2
    return np.sqrt(variance * n) * np.sqrt(
        2 * (scaled + 1) / (n * scaled) * np.log(one_sided + np.sqrt(scaled + 1) / alpha)
    )


def check_peer() -> None:
    """Assert that the formulas give GrowthBook's own values: test_sequential_test_runs_prop, tuning 5,000."""
    (x0, n0), (x1, n1) = (1396, 3000), (2422, 3461)
    m0, m1 = x0 / n0, x1 / n1
    v0, v1 = m0 * (1 - m0), m1 * (1 - m1)
    variance = v1 / (n1 * m0**2) + v0 * m1**2 / (n0 * m0**4)
    half = float(growthbook_halfwidth(np.array(variance), np.array(float(n0 + n1))))
    assert abs(m1 / m0 - 1 - half - 0.40098) < 2e-5, m1 / m0 - 1 - half


def bounded(found: int, tests: int) -> str:
    """Return a rate with the upper end of its two-sided 95 % interval (Clopper and Pearson)."""
    return f"{found / tests:.2%} (≤ {beta.ppf(0.975, found + 1, tests - found):.2%})"


def false_positives(
    cells: Cells, num_tests: int, num_units: int, planned: int, write: Callable[[dict[str, object]], None]
) -> None:
    """Tell how often experiments without an effect are found to have one."""
    for kind in cells.kinds:
        for rate in cells.rates:
            counts: dict[str, int] = {}
            started = time.monotonic()
            for units in experiments(kind, rate, 0.0, num_units, num_tests, seed=1):
                found = {"Luthier": luthier_first(units, kind, planned), **peers_first(units)}
                for name, looks in found.items():
                    counts[name] = counts.get(name, 0) + int(np.isfinite(looks).sum())
            line = {
                "table": "false positives",
                "kind": kind,
                "rate": rate,
                "units": num_units,
                "planned": planned,
            }
            shares = {name: bounded(count, num_tests) for name, count in counts.items()}
            write({**line, "tests": num_tests, **shares, "seconds": round(time.monotonic() - started, 1)})


def power(cells: Cells, num_tests: int, write: Callable[[dict[str, object]], None]) -> None:
    """Tell how many units reach a power of 80 %, relative to the test at one look, for gains and regressions."""
    for kind in cells.kinds:
        for rate, uplift in UPLIFTS:
            if rate not in cells.rates:
                continue
            started = time.monotonic()
            size = standardised(kind, rate, uplift)
            fixed = round((2 * float(ndtri(0.975) + ndtri(0.8)) / size) ** 2)
            found = [
                (luthier_first(units, kind, fixed), found_at_one_look(units, fixed))
                for units in experiments(kind, rate, uplift, 3 * fixed, num_tests, seed=2)
            ]
            looks, at_one_look = (np.concatenate(parts) for parts in zip(*found, strict=True))
            capped = np.minimum(looks, 3 * fixed)
            line = {"table": "power", "kind": kind, "rate": rate, "uplift": uplift, "fixed": fixed}
            figures = {
                "found at one look": f"{at_one_look.mean():.1%}",
                "found within 1.8": f"{np.mean(looks <= 1.8 * fixed):.1%}",
                "cost at 80 %": round(float(np.quantile(looks, 0.8, method="higher")) / fixed, 2),
                "mean cost": round(float(capped.mean()) / fixed, 2),
            }
            write({**line, "tests": num_tests, **figures, "seconds": round(time.monotonic() - started, 1)})


def main() -> None:
    """Run both tables, a line of JSON a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=["false-positives", "long", "power"])
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--units", type=int, default=2000, help="Of an experiment without an effect.")
    parser.add_argument("--kind", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--rate", type=float, choices=RATES, nargs="+", default=RATES)
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    check_peer()
    cells = Cells(tuple(arguments.kind), tuple(arguments.rate))

    def write(row: dict[str, object]) -> None:
        text = json.dumps(row, ensure_ascii=False)
        print(text, flush=True)
        if arguments.output:
            with arguments.output.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    if arguments.table == "false-positives":
        false_positives(cells, arguments.tests, arguments.units, arguments.units // 2, write)
    elif arguments.table == "long":  # ten times as long as planned
        false_positives(cells, arguments.tests, arguments.units, arguments.units // 10, write)
    else:
        power(cells, arguments.tests, write)


if __name__ == "__main__":
    sys.exit(main())
