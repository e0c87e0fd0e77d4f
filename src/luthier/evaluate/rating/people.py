"""People: what their verdicts say together, how far they agree, and whether place swayed them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from luthier.data.annotation.agreement import Agreement, Bootstrap, agreement_of
from luthier.data.annotation.items import Item as AnnotatedItem
from luthier.data.annotation.items import Rating
from luthier.data.annotation.rating_table import table_of
from luthier.evaluate.rating.intake import Rated
from luthier.evaluate.rating.win_rate import SCORES, Winner, first_share, win_rate
from luthier.evaluate.statistics import Interval


@dataclass(frozen=True)
class Tally:
    """What verdicts add up to.

    Args:
        num_verdicts: All of them.
        wins: Of the tuned model.
        losses: Of the tuned model.
        ties: Count half.
        win_rate: Of the tuned model.
        first_share: How often the answer shown first won, of verdicts that are no ties; None where there are none.
    """

    num_verdicts: int
    wins: int
    losses: int
    ties: int
    win_rate: Interval
    first_share: Interval | None


@dataclass(frozen=True)
class People:
    """What raters found.

    Args:
        num_items: Items that somebody rated.
        all: All verdicts.
        raters: Of each rater.
        agreement: Between raters; None where no item has two verdicts.
    """

    num_items: int
    all: Tally
    raters: dict[str, Tally]
    agreement: Agreement | None


def summarize(rated: Sequence[Rated], how: Bootstrap) -> People:
    """Return what verdicts say.

    Args:
        rated: At least one.
        how: Confidence of all intervals; draws and seed of those of agreement.
    """
    names = dict.fromkeys(one.rater for one in rated)
    by_rater = {name: [one for one in rated if one.rater == name] for name in names}
    return People(
        len({one.item.id for one in rated}),
        _tally(rated, how.confidence),
        {name: _tally(theirs, how.confidence) for name, theirs in by_rater.items()},
        agreement_between(
            {name: {one.item.id: one.winner for one in theirs} for name, theirs in by_rater.items()}, how
        ),
    )


def agreement_between(winners: Mapping[str, Mapping[str, Winner]], how: Bootstrap) -> Agreement | None:
    """Return how far raters agree on whose answer wins; None where no item has two verdicts.

    Args:
        winners: By rater and item.
        how: Intervals.
    """
    items: dict[str, list[Rating]] = {}
    for rater, theirs in winners.items():
        for item, winner in theirs.items():
            items.setdefault(item, []).append(Rating(rater, winner))
    if all(len(ratings) < 2 for ratings in items.values()):
        return None
    annotated = [AnnotatedItem(item, {}, tuple(ratings)) for item, ratings in items.items()]
    return agreement_of(table_of(annotated, list(SCORES)), bootstrap=how)


def majority(rated: Sequence[Rated]) -> dict[str, Winner]:
    """Return whose answer most raters prefer, by item; a tie where no answer has more verdicts than each other."""
    votes: dict[str, Counter[Winner]] = {}
    for one in rated:
        votes.setdefault(one.item.id, Counter())[one.winner] += 1
    found: dict[str, Winner] = {}
    for item, counts in votes.items():
        most = max(counts.values())
        leaders = [winner for winner, count in counts.items() if count == most]
        found[item] = leaders[0] if len(leaders) == 1 else "tie"
    return found


def _tally(rated: Sequence[Rated], confidence: float) -> Tally:
    winners = [one.winner for one in rated]
    decided = [one for one in rated if one.verdict != "tie"]
    return Tally(
        len(rated),
        winners.count("tuned"),
        winners.count("base"),
        winners.count("tie"),
        win_rate(winners, [one.item.id for one in rated], confidence),
        first_share(
            [one.verdict == "first" for one in decided], [one.item.id for one in decided], confidence
        ),
    )
