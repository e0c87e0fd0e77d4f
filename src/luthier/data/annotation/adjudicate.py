"""Adjudication: one label a row from what its raters said, by vote or by Dawid and Skene's model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from luthier.data.annotation.dawid_skene import dawid_skene
from luthier.data.annotation.items import Item
from luthier.data.annotation.rating_table import MISSING, RatingTable, table_of
from luthier.data.sinks import writing

Adjudication = Literal["vote", "dawid-skene"]
How = Literal["correction", "gold", "vote", "dawid-skene"]


@dataclass(frozen=True)
class Decision:
    """The label of a row, or why it has none.

    Args:
        row: Id.
        label: None where nothing is decided.
        confidence: Share of the votes, or probability in the model; 1 for corrections and gold.
        how: What decided.
        num_ratings: That the row has.
        obstacle: ``unrated``, ``tie`` or ``unsure`` where nothing is decided.
    """

    row: str
    label: str | None
    confidence: float
    how: How
    num_ratings: int
    obstacle: str | None = None


def adjudicate(
    items: Sequence[Item],
    labels: Sequence[str],
    by: Adjudication = "vote",
    *,
    min_confidence: float = 0.0,
) -> list[Decision]:
    """Decide the label of every row.

    A correction goes before gold, and gold before ratings. Gold also teaches Dawid and Skene's model what each rater
    confuses.

    Args:
        items: Rows with their ratings.
        labels: All labels.
        by: ``vote`` takes the label of most raters; two with equally many decide nothing.
        min_confidence: Below it nothing is decided.

    Raises:
        DataError: A label is not among ``labels``; or Dawid and Skene's model gets ratings without raters.
    """
    table = table_of(items, labels)
    estimates = _votes(table) if by == "vote" else _dawid_skene(items, table)
    counts_N = table.counts_NL.sum(axis=1)
    decisions = []
    for item, count, (label, confidence, obstacle) in zip(items, counts_N.tolist(), estimates, strict=True):
        settled, how = _settled(item)
        if settled is not None:
            decisions.append(Decision(item.id, settled, 1.0, how, count))
            continue
        if obstacle is None and confidence < min_confidence:
            obstacle = "unsure"
        decided = None if obstacle else labels[label]
        decisions.append(Decision(item.id, decided, confidence, by, count, obstacle))
    return decisions


def how_decided(decisions: Sequence[Decision]) -> dict[str, int]:
    """Return how many rows were decided by what, and how many were not and why."""
    counts = Counter(f"undecided: {d.obstacle}" if d.obstacle else d.how for d in decisions)
    return dict(counts.most_common())


def write_decisions(
    path: Path,
    items: Sequence[Item],
    decisions: Sequence[Decision],
    *,
    question: str = "label",
    confidence_field: str | None = None,
) -> None:
    """Write the rows with their labels; those without a decision stand beside, each with its reason.

    Args:
        path: File of the labelled rows; the others go to ``<path>.rejected.jsonl``.
        items: Rows.
        decisions: Of the same rows, in the same order.
        question: Field of the label.
        confidence_field: Field of the confidence, where it is wanted.
    """
    beside = path.with_name(f"{path.name}.rejected.jsonl")
    with writing(path) as write, writing(beside, is_optional=True) as reject:
        for item, decision in zip(items, decisions, strict=True):
            if decision.label is None:
                votes = Counter(rating.label for rating in item.ratings if rating.label) + Counter(
                    item.counts
                )
                reject({"row": item.id, "reason": decision.obstacle, "votes": dict(votes), "raw": item.data})
                continue
            extra = {confidence_field: round(decision.confidence, 6)} if confidence_field else {}
            write({**item.data, question: decision.label, **extra})


def _settled(item: Item) -> tuple[str | None, How]:
    if item.corrected is not None:
        return item.corrected, "correction"
    return (item.gold.label if item.gold else None), "gold"


def _votes(table: RatingTable) -> Iterator[tuple[int, float, str | None]]:
    for counts_L in table.counts_NL:
        total, most = int(counts_L.sum()), int(counts_L.max(initial=0))
        label = int(counts_L.argmax())
        obstacle = "unrated" if not total else "tie" if (counts_L == most).sum() > 1 else None
        yield label, most / total if total else 0.0, obstacle


def _dawid_skene(items: Sequence[Item], table: RatingTable) -> Iterator[tuple[int, float, str | None]]:
    table.require_names("Dawid and Skene's model")
    index = {label: number for number, label in enumerate(table.labels)}
    known_N = np.array([MISSING if (label := _settled(item)[0]) is None else index[label] for item in items])
    model = dawid_skene(table.labels_NR, len(table.labels), known_N=known_N)
    is_rated_N = (table.counts_NL.sum(axis=1) > 0).tolist()
    for probabilities_L, is_rated in zip(model.posteriors_NL, is_rated_N, strict=True):
        best = int(probabilities_L.argmax())
        yield best, float(probabilities_L[best]), None if is_rated else "unrated"
