"""What a budget of queries certifies: how many rows are still right after so many queries of an attack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from luthier.data.annotation.rates import wilson_interval
from luthier.evaluate.robustness.outcome import Outcome
from luthier.evaluate.robustness.search import Attacked
from luthier.evaluate.statistics import Interval
from luthier.objectives.contract import Table
from luthier.recipe.evaluate_sections.robustness import EMBEDDING_ATTACKS, RobustnessSection


def success_curve(attacked: Sequence[Attacked], limit: int) -> list[tuple[float, float]]:
    """Return the share of rows that is broken within each number of queries, from 0 to the limit."""
    needed = np.array([each.num_queries for each in attacked if each.broken is not None])
    return [(float(q), float((needed <= q).sum()) / len(attacked)) for q in range(limit + 1)]


def budget_table(outcome: Outcome, section: RobustnessSection, confidence: float) -> Table | None:
    """Return how many rows are right within growing budgets of each attack; None where no attack by queries ran."""
    budgets = sorted({1, *(max(section.queries * part // 4, 1) for part in (1, 2, 4))})
    rows: list[list[Any]] = []
    num_rows, num_right = len(outcome.clean), int(outcome.right_N.sum())
    for name, attacked in outcome.attacks.items():
        if name in EMBEDDING_ATTACKS or not any(each.could_try for each in attacked.values()):
            continue
        needed = [each.num_queries for each in attacked.values() if each.broken is not None]
        left = [num_right - sum(queries <= budget for queries in needed) for budget in budgets]
        rows.append([name, *(_share(count, num_rows, confidence) for count in (num_right, *left))])
    if not rows:
        return None
    columns = (
        "Attack",
        "No query",
        *(f"{budget} {'query' if budget == 1 else 'queries'}" for budget in budgets),
    )
    note = (
        f"Of all {num_rows} rows. This holds for these attacks with at most {section.max_edits} alterations of a text, "
        "as they search; a better attack may need fewer queries."
    )
    return Table("Accuracy that holds within a budget of queries a row", columns, rows, note)


def _share(count: int, num_rows: int, confidence: float) -> str:
    return Interval(count / num_rows, *wilson_interval(count, num_rows, confidence)).shown(".1%")
