"""Rates of a classifier in each group: what it says of rows that are, and of rows that are not, of the class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luthier.data.annotation.rates import wilson_interval
from luthier.evaluate.examination import Figure
from luthier.evaluate.fairness.compare import Against, Disparity, compare_groups, draw_shares
from luthier.evaluate.fairness.groups import Grouping
from luthier.evaluate.statistics import Resampling
from luthier.objectives.contract import Table

# Shapes: N rows, G groups.

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Share:
    """Hits out of rows, in each group.

    Args:
        title: For people.
        denominator: What the rows are, for the message where there are none.
        hits_G: Hits.
        rows_G: Rows.
    """

    title: str
    denominator: str
    hits_G: Counts
    rows_G: Counts


@dataclass(frozen=True)
class Outcomes:
    """Rows of each group by what is true and what is said of them.

    Args:
        groups: Names.
        true_positive_G: Of the class, and said to be.
        false_positive_G: Said to be, and are not.
        false_negative_G: Are, and are not said to be.
        true_negative_G: Neither.
    """

    groups: tuple[str, ...]
    true_positive_G: Counts
    false_positive_G: Counts
    false_negative_G: Counts
    true_negative_G: Counts

    @property
    def rows_G(self) -> Counts:
        """Rows of each group."""
        return self.true_positive_G + self.false_positive_G + self.false_negative_G + self.true_negative_G

    def shares(self, positive: str) -> dict[str, Share]:
        """Return the rates by name, for a class called ``positive``."""
        rows_G = self.rows_G
        said_G = self.true_positive_G + self.false_positive_G
        are_G = self.true_positive_G + self.false_negative_G
        of, others = f"rows of class {positive!r}", f"rows of another class than {positive!r}"
        return {
            "accuracy": Share("Accuracy", "rows", self.true_positive_G + self.true_negative_G, rows_G),
            "selection_rate": Share("Selection rate", "rows", said_G, rows_G),
            "precision": Share("Precision", f"rows said to be {positive!r}", self.true_positive_G, said_G),
            "recall": Share("Recall", of, self.true_positive_G, are_G),
            "false_negative_rate": Share("False negatives", of, self.false_negative_G, are_G),
            "false_positive_rate": Share("False positives", others, self.false_positive_G, rows_G - are_G),
        }


def count_outcomes(true_N: Flags, said_N: Flags, grouping: Grouping) -> Outcomes:
    """Count what is true and said in each group; rows without a group are left out."""

    def count(is_N: Flags) -> Counts:
        chosen = grouping.group_N[is_N & (grouping.group_N >= 0)]
        return np.bincount(chosen, minlength=len(grouping.groups)).astype(np.int64)

    return Outcomes(
        grouping.groups,
        count(true_N & said_N),
        count(~true_N & said_N),
        count(true_N & ~said_N),
        count(~true_N & ~said_N),
    )


@dataclass(frozen=True)
class Criterion:
    """A criterion of fairness.

    Args:
        name: As in figures.
        title: For people.
        rates: Names of the rates that must be equal.
        has_ratio: Whether the ratio is a figure too.
    """

    name: str
    title: str
    rates: tuple[str, ...]
    has_ratio: bool = True


CRITERIA = (
    Criterion("accuracy", "Accuracy", ("accuracy",), has_ratio=False),
    Criterion("demographic_parity", "Demographic parity (selection rates)", ("selection_rate",)),
    Criterion("equal_opportunity", "Equal opportunity (recall)", ("recall",)),
    Criterion(
        "equalized_odds", "Equalised odds (recall and false positives)", ("recall", "false_positive_rate")
    ),
)
"""As Fairlearn defines them; equalised odds is the worse of its two rates."""


@dataclass(frozen=True)
class Judged:
    """A criterion, judged.

    Args:
        criterion: Which.
        disparity: Between which groups, by how much; None where it is undefined.
        why_undefined: What was missing.
        highest: Name of the group with the highest rate.
        lowest: Of the lowest.
    """

    criterion: Criterion
    disparity: Disparity | None
    why_undefined: str = ""
    highest: str = ""
    lowest: str = ""


def judge(
    outcomes: Outcomes,
    chosen: Flags,
    positive: str,
    how: Resampling,
    against: Against,
    *,
    doubt: str = "",
) -> list[Judged]:
    """Judge every criterion over the chosen groups; all are undefined where there is a doubt about the groups.

    A rate that a group does not have, such as the recall of a group without a row of the class, leaves its criteria
    undefined; Fairlearn calls such a rate 0.0.
    """
    shares = outcomes.shares(positive)
    groups = [name for name, is_in in zip(outcomes.groups, chosen, strict=True) if is_in]
    judged = []
    for criterion in CRITERIA:
        used = [shares[name] for name in criterion.rates]
        lacking = doubt or next(
            (
                f"group {group!r} has no {share.denominator}"
                for share in used
                for group, rows in zip(groups, share.rows_G[chosen], strict=True)
                if not rows
            ),
            "",
        )
        if lacking:
            judged.append(Judged(criterion, None, lacking))
            continue
        drawn = [draw_shares(share.hits_G[chosen], share.rows_G[chosen], how) for share in used]
        found = compare_groups(drawn, how, against)
        judged.append(Judged(criterion, found, highest=groups[found.highest], lowest=groups[found.lowest]))
    return judged


def figures_of(judged: list[Judged], grouping: str, num_rows: int) -> list[Figure]:
    """Return the figures that gates may judge."""
    figures = []
    for one in judged:
        kinds = ("difference", "ratio") if one.criterion.has_ratio else ("difference",)
        for kind in kinds:
            value = None if one.disparity is None else getattr(one.disparity, kind)
            why = one.why_undefined or ("" if value else "the rate is 0 in every group")
            figures.append(
                Figure(
                    name=f"fairness.{grouping}.{one.criterion.name}_{kind}",
                    title=f"{one.criterion.title}: {kind} by {grouping}",
                    value=value,
                    lower_is_better=kind == "difference",
                    num_rows=num_rows,
                    why_undefined="" if value else why,
                )
            )
    return figures


def rates_table(outcomes: Outcomes, grouping: str, positive: str, confidence: float) -> Table:
    """Return every rate of every group, with Wilson's interval."""
    shares = outcomes.shares(positive)
    lines: list[list[Any]] = []
    for number, group in enumerate(outcomes.groups):
        cells = [_cell(share, number, confidence) for share in shares.values()]
        lines.append([group, int(outcomes.rows_G[number]), *cells])
    columns = ("Group", "Rows", *(share.title for share in shares.values()))
    note = (
        f"Class {positive!r}. –: undefined, the group has no such rows. Intervals: Wilson, {confidence:.0%}."
    )
    return Table(f"Rates by {grouping}", columns, lines, note)


def rates_facts(outcomes: Outcomes, positive: str, confidence: float) -> list[dict[str, Any]]:
    """Return the same for ``report.json``: value, low, high and rows of each rate, None where it is undefined."""
    facts = []
    for number, group in enumerate(outcomes.groups):
        rates: dict[str, Any] = {}
        for name, share in outcomes.shares(positive).items():
            hits, rows = int(share.hits_G[number]), int(share.rows_G[number])
            ends = wilson_interval(hits, rows, confidence)
            rates[name] = [hits / rows, *ends, rows] if rows else None
        facts.append({"group": group, "rows": int(outcomes.rows_G[number]), **rates})
    return facts


def _cell(share: Share, number: int, confidence: float) -> str:
    hits, rows = int(share.hits_G[number]), int(share.rows_G[number])
    if not rows:
        return "–"
    low, high = wilson_interval(hits, rows, confidence)
    return f"{hits / rows:.2f} ({low:.2f} to {high:.2f})"
