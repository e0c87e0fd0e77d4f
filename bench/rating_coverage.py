"""How often the interval of a win rate covers the truth, by simulation: three raters who often agree.

python bench/rating_coverage.py
"""

from __future__ import annotations

import numpy as np

from luthier.evaluate.rating.win_rate import mean_score

RUNS, RATERS, AGREE, CONFIDENCE = 1500, 3, 0.7, 0.95
SHARES = ((0.3, 0.3, 0.4), (0.1, 0.6, 0.3), (0.05, 0.05, 0.9), (0.02, 0.9, 0.08), (0.0, 0.1, 0.9))


def covered(num_items: int, shares: tuple[float, float, float]) -> tuple[float, float]:
    """Return the share of intervals that cover the true win rate, and their mean width.

    Args:
        num_items: Items, each with a verdict of every rater.
        shares: Of losses, ties and wins.
    """
    generator = np.random.default_rng(11)
    truth, hits, width = 0.5 * shares[1] + shares[2], 0, 0.0
    items = [str(number) for number in range(num_items) for _ in range(RATERS)]
    for _ in range(RUNS):
        common = generator.choice([0.0, 0.5, 1.0], num_items, p=shares).repeat(RATERS)
        own = generator.choice([0.0, 0.5, 1.0], num_items * RATERS, p=shares)
        scores = np.where(generator.random(len(items)) < AGREE, common, own)
        found = mean_score(scores, items, CONFIDENCE)
        hits += found.low <= truth <= found.high
        width += found.high - found.low
    return hits / RUNS, width / RUNS


if __name__ == "__main__":
    print("items  losses/ties/wins   covered  mean width")
    for num_items in (8, 20, 40, 100):
        for shares in SHARES:
            share, width = covered(num_items, shares)
            print(
                f"{num_items:5}  {'/'.join(f'{s:g}' for s in shares):17}  {share:7.1%}  {width:.3f}",
                flush=True,
            )
