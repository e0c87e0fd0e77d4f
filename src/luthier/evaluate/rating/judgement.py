"""Judgement: what a judge model's verdicts say together, how consistent it is, and whether it agrees with people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luthier.core.errors import DataError
from luthier.data.annotation.agreement import Agreement, Bootstrap
from luthier.evaluate.rating.intake import Rated
from luthier.evaluate.rating.judge import Judged
from luthier.evaluate.rating.people import agreement_between, majority
from luthier.evaluate.rating.win_rate import Winner, first_share, win_rate
from luthier.evaluate.statistics import Interval


@dataclass(frozen=True)
class Judgement:
    """What a judge found.

    Args:
        num_pairs: Pairs that it was asked about, each twice.
        num_failed: Verdicts that failed, of twice as many.
        failures: Item and why, of each failed verdict.
        winners: By item, of pairs with both verdicts; a tie where they contradict each other.
        inconsistent: Items whose two verdicts differ.
        flipped: Those of them where the same place won both times.
        win_rate: Of the tuned model; None where no pair has both verdicts.
        first_share: How often the answer shown first won, of verdicts that are no ties.
    """

    num_pairs: int
    num_failed: int
    failures: tuple[tuple[str, str], ...]
    winners: dict[str, Winner]
    inconsistent: tuple[str, ...]
    flipped: tuple[str, ...]
    win_rate: Interval | None
    first_share: Interval | None

    @property
    def failed_share(self) -> float:
        """Share of verdicts that failed."""
        return self.num_failed / (2 * self.num_pairs)


def summarize_judged(judged: Sequence[Judged], confidence: float) -> Judgement:
    """Return what two verdicts of each pair say; pairs without both do not count, and are told.

    Args:
        judged: Both orders of each pair.
        confidence: Of intervals.
    """
    by_item: dict[str, list[Judged]] = {}
    for one in judged:
        by_item.setdefault(one.item.id, []).append(one)
    failed = [one for one in judged if one.verdict is None]
    winners: dict[str, Winner] = {}
    inconsistent, flipped, decided = [], [], []
    for item, both in by_item.items():
        found = [one.winner for one in both if one.winner is not None]
        if len(found) < 2:
            continue
        winners[item] = found[0] if found[0] == found[1] else "tie"
        if found[0] != found[1]:
            inconsistent.append(item)
        if both[0].verdict == both[1].verdict != "tie":
            flipped.append(item)
        decided += [one for one in both if one.verdict != "tie"]
    items = list(winners)
    return Judgement(
        len(by_item),
        len(failed),
        tuple((one.item.id, one.fault or "") for one in failed),
        winners,
        tuple(inconsistent),
        tuple(flipped),
        win_rate(list(winners.values()), items, confidence) if items else None,
        first_share(
            [one.verdict == "first" for one in decided], [one.item.id for one in decided], confidence
        ),
    )


def agreement_with_people(judgement: Judgement, rated: Sequence[Rated], how: Bootstrap) -> Agreement:
    """Return how far the judge agrees with the majority of people, on pairs that both judged.

    Raises:
        DataError: No pair was judged by both.
    """
    people = majority(rated)
    both = [item for item in judgement.winners if item in people]
    found = agreement_between(
        {
            "judge": {item: judgement.winners[item] for item in both},
            "people": {item: people[item] for item in both},
        },
        how,
    )
    if found is None:
        raise DataError("no pair was judged by people and by the model", cure="rate more items")
    return found
