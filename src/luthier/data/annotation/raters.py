"""Raters: how often each is wrong on gold rows, over time, and what is confused with what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Literal

from luthier.data.annotation.items import Item, Rating
from luthier.data.annotation.rates import wilson_interval

Period = Literal["day", "week", "month"]


@dataclass(frozen=True)
class ErrorRate:
    """How often a rater was wrong on gold rows.

    Args:
        errors: Gold rows with another label.
        total: Gold rows that the rater labelled.
        low: Lower end of the interval of the rate.
        high: Upper end.
    """

    errors: int
    total: int
    low: float
    high: float

    @property
    def rate(self) -> float | None:
        """None where the rater labelled no gold row."""
        return self.errors / self.total if self.total else None


@dataclass(frozen=True)
class RaterRecord:
    """What is known of a rater.

    Args:
        rater: Name.
        num_ratings: Labels given.
        num_skipped: Rows seen and left without a label.
        gold: The error rate.
        periods: The same for each period, by its first day; ratings without a time are not in it.
        mistakes: Gold label, given label and how often, most frequent first.
        median_seconds: That a rating took; None where the tool does not tell.
    """

    rater: str
    num_ratings: int
    num_skipped: int
    gold: ErrorRate
    periods: tuple[tuple[date, ErrorRate], ...]
    mistakes: tuple[tuple[str, str, int], ...]
    median_seconds: float | None


def rater_records(
    items: Iterable[Item], *, per: Period = "week", confidence: float = 0.95
) -> list[RaterRecord]:
    """Return a record for each rater, those with most errors first.

    Args:
        items: Rows; gold is compared, corrections are not.
        per: Length of a period; weeks begin on Monday. Days are those of UTC.
        confidence: Of the intervals.
    """
    ratings: dict[str, list[tuple[Rating, str | None]]] = {}
    for item in items:
        for rating in item.ratings:
            gold = item.gold.label if item.gold else None
            ratings.setdefault(rating.rater, []).append((rating, gold))
    records = [_record(rater, given, per, confidence) for rater, given in ratings.items()]
    return sorted(records, key=lambda record: (-(record.gold.rate or 0.0), record.rater))


def _record(
    rater: str, given: list[tuple[Rating, str | None]], per: Period, confidence: float
) -> RaterRecord:
    labelled = [(rating, gold) for rating, gold in given if rating.label is not None]
    on_gold = [(rating, gold) for rating, gold in labelled if gold is not None]
    by_period: dict[date, list[bool]] = {}
    for rating, gold in on_gold:
        if rating.at is not None:
            by_period.setdefault(_first_day(rating.at, per), []).append(rating.label != gold)
    mistakes = Counter(
        (gold, rating.label) for rating, gold in on_gold if rating.label and rating.label != gold
    )
    seconds = [rating.seconds for rating, _ in labelled if rating.seconds is not None]
    return RaterRecord(
        rater=rater,
        num_ratings=len(labelled),
        num_skipped=len(given) - len(labelled),
        gold=_rate([rating.label != gold for rating, gold in on_gold], confidence),
        periods=tuple((day, _rate(wrong, confidence)) for day, wrong in sorted(by_period.items())),
        mistakes=tuple((gold, label, count) for (gold, label), count in mistakes.most_common()),
        median_seconds=median(seconds) if seconds else None,
    )


def _rate(is_wrong: list[bool], confidence: float) -> ErrorRate:
    errors, total = sum(is_wrong), len(is_wrong)
    return ErrorRate(errors, total, *wilson_interval(errors, total, confidence))


def _first_day(at: str, per: Period) -> date:
    day = datetime.fromisoformat(at).date()
    if per == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if per == "month" else day
