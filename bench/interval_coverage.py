"""How often intervals hold the truth: the table of docs/evaluation.md.

For each kind of metric, rows are drawn from a distribution whose truth is known, and the interval is asked for as the
evaluate stage does. The share of intervals that hold the truth is told, with those that lie too high and too low.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from scipy.stats import norm

from luthier.evaluate.clusters import sum_by_cluster
from luthier.evaluate.statistics import (
    Interval,
    Resampling,
    compare_sums,
    paired_interval,
    ratio_interval,
)

Drawn = tuple[Interval, float]
Case = Callable[[int, np.random.Generator, Resampling], Drawn]


def loss(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """Loss per token; rows differ in length and difficulty."""
    tokens = draw.integers(5, 80, rows).astype(float)
    return ratio_interval(tokens * draw.gamma(9.0, 0.25, rows), tokens, how), 2.25


def skewed_loss(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """Likewise, a few rows being very long and losses very unequal."""
    tokens = np.ceil(draw.lognormal(3.0, 0.8, rows))
    return ratio_interval(tokens * draw.gamma(2.0, 1.0, rows), tokens, how), 2.0


def loss_gain(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """Relative improvement of the loss: 15 % less, on each row more or less."""
    tokens = draw.integers(5, 80, rows).astype(float)
    base = tokens * draw.gamma(9.0, 0.25, rows)
    tuned = base * draw.normal(0.85, 0.15, rows)
    return paired_interval(base, tuned, tokens, lambda b, t: (b - t) / b, how), 0.15


def skewed_loss_gain(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """Likewise, with long rows and gains that differ by rows more than they amount to."""
    tokens = np.ceil(draw.lognormal(3.0, 0.8, rows))
    base = tokens * draw.gamma(4.0, 0.5, rows)
    tuned = base * draw.lognormal(-0.2 - 0.4**2 / 2, 0.4, rows)
    return paired_interval(base, tuned, tokens, lambda b, t: (b - t) / b, how), 1 - float(np.exp(-0.2))


def task_loss_gain(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """Relative improvement of a classifier's loss per row, which has a long tail."""
    base = draw.gamma(0.7, 1.0, rows)
    tuned = base * draw.lognormal(-0.3 - 0.5**2 / 2, 0.5, rows)
    ones = np.ones(rows)
    found = compare_sums(
        np.stack([base, ones], 1), np.stack([tuned, ones], 1), _ratio, how, lower_is_better=True
    )
    assert found.improvement is not None
    return found.improvement, 1 - float(np.exp(-0.3))


def score(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """A score such as ROUGE-L, which two in five answers have none of."""
    right = np.where(draw.random(rows) < 0.4, 0.0, draw.beta(2, 3, rows))
    return ratio_interval(right, np.ones(rows), how), 0.24


def accuracy(share: float) -> Case:
    """Return the case of a share of right answers."""

    def accuracy(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
        return ratio_interval((draw.random(rows) < share).astype(float), np.ones(rows), how), share

    accuracy.__name__ = f"accuracy_{share}"
    return accuracy


def accuracy_gain(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """Difference of two accuracies; the models are right together on most rows."""
    both = draw.random(rows)
    base, tuned = (both < 0.6), (both + draw.normal(0, 0.2, rows)) < 0.7
    pair = base.astype(float), tuned.astype(float), np.ones(rows)
    return paired_interval(*pair, lambda b, t: t - b, how), _share_below() - 0.6


@cache
def _share_below() -> float:
    """Return the probability that a uniform number plus noise of deviation 0.2 is below 0.7, by integration."""
    return float(norm.cdf((0.7 - (np.arange(200_000) + 0.5) / 200_000) / 0.2).mean())


def high_accuracy_gain(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """Likewise at 95 %, where the models differ on one row in twenty."""
    base = draw.random(rows) < 0.95
    tuned = np.where(base, draw.random(rows) < 0.98, draw.random(rows) < 0.5)
    pair = base.astype(float), tuned.astype(float), np.ones(rows)
    return paired_interval(*pair, lambda b, t: t - b, how), 0.95 * 0.98 + 0.05 * 0.5 - 0.95


def clustered_score(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """Mean of answers that share a paragraph, 1 to 15 of one: the rows here are paragraphs."""
    sizes = draw.integers(1, 16, rows)
    source = np.repeat(np.arange(rows), sizes)
    values = draw.normal(2.0, 1.0, rows)[source] + draw.normal(0.0, 0.5, sizes.sum())
    figures = np.stack([values, np.ones(len(values))])
    totals, counts = sum_by_cluster(figures, source.tolist())
    return ratio_interval(totals, counts, how), 2.0


def clustered_accuracy(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """Accuracy over questions that share a paragraph, which is easy or hard."""
    sizes = draw.integers(1, 16, rows)
    right = draw.binomial(sizes, draw.beta(4.0, 1.0, rows)).astype(float)
    return ratio_interval(right, sizes.astype(float), how), 0.8


def macro_f1(rows: int, draw: np.random.Generator, how: Resampling) -> Drawn:
    """Macro F1 of three classes of 50, 30 and 20 %."""
    shares = np.array([0.5, 0.3, 0.2])
    truth = draw.choice(3, rows, p=shares)
    said = np.where(draw.random(rows) < 0.75, truth, draw.integers(0, 3, rows))
    figures = np.zeros((rows, 9))
    row = np.arange(rows)
    figures[row, truth] = truth == said
    figures[row, 3 + truth] = figures[row, 6 + said] = 1.0
    predicted, hit = 0.75 * shares + 0.25 / 3, shares * (0.75 + 0.25 / 3)
    found = compare_sums(figures, figures, _f1, how, lower_is_better=False)
    return found.tuned, float((2 * hit / (shares + predicted)).mean())


def _ratio(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def _f1(sums: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        f1 = 2 * sums[..., :3] / (sums[..., 3:6] + sums[..., 6:9])
    return np.nan_to_num(f1).mean(axis=-1)


CASES: tuple[Case, ...] = (
    loss, skewed_loss, loss_gain, skewed_loss_gain, task_loss_gain, score, accuracy(0.7), accuracy(0.95),
    accuracy(0.99), accuracy_gain, high_accuracy_gain, clustered_score, clustered_accuracy, macro_f1,
)  # fmt: skip
ROWS = (30, 100, 400)


def coverage(case: Case, rows: int, comparisons: int, seed: int, samples: int) -> tuple[float, float]:
    """Return how often an interval lay too high and too low."""
    draw = np.random.default_rng([seed, rows])
    too_high = too_low = 0
    for number in range(comparisons):
        found, truth = case(rows, draw, Resampling(samples, 0.95, number))
        too_high += found.low > truth + 1e-12
        too_low += found.high < truth - 1e-12
    return too_high / comparisons, too_low / comparisons


def main() -> None:
    """Print a line of JSON a case and number of rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs="+", default=[case.__name__ for case in CASES])
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--comparisons", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=500, help="Resamples of an interval.")
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    for case in (one for one in CASES if one.__name__ in arguments.case):
        for rows in arguments.rows:
            for seed in arguments.seed:
                started = time.monotonic()
                high, low = coverage(case, rows, arguments.comparisons, seed, arguments.samples)
                line = {"case": case.__name__, "rows": rows, "seed": seed, "covered": f"{1 - high - low:.1%}"}
                misses = {"too high": f"{high:.1%}", "too low": f"{low:.1%}"}
                text = json.dumps({**line, **misses, "seconds": round(time.monotonic() - started, 1)})
                print(text, flush=True)
                if arguments.output:
                    with arguments.output.open("a", encoding="utf-8") as file:
                        file.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
