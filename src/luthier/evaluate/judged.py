"""Judged figures: what gates look up by name, be it a metric of the held-out rows or a figure of an examination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from luthier.evaluate.examination import Examined, Figure
from luthier.evaluate.metrics import Comparison
from luthier.evaluate.statistics import Interval


@dataclass(frozen=True)
class Gain:
    """A figure compared with that of another model.

    Args:
        interval: Relative improvement, positive is better; None where there is none.
        why_none: What was missing.
        is_absent: Whether there is no such model at all.
    """

    interval: Interval | None
    why_none: str = ""
    is_absent: bool = False


@dataclass(frozen=True)
class Judged:
    """A figure that gates may judge.

    Args:
        value: Of the model; None where it is undefined.
        num_rows: Rows, or attempts, that it stands on.
        gains: By what it is compared with: ``base``, ``baseline`` or ``champion``.
        why_undefined: What was missing, where ``value`` is None.
    """

    value: Interval | None
    num_rows: int
    gains: Mapping[str, Gain] = field(default_factory=dict)
    why_undefined: str = ""


@dataclass(frozen=True)
class ChampionResult:
    """The registered champion on the same held-out rows.

    Args:
        uri: Its version; empty where there is none.
        comparisons: The same metrics, compared with it.
        why_none: Why there are no comparisons.
        is_absent: Whether no version has the alias.
        gains: Over it, of the figures of examinations that gates compare, by name.
    """

    uri: str = ""
    comparisons: Sequence[Comparison] = ()
    why_none: str = ""
    is_absent: bool = False
    gains: Mapping[str, Gain] = field(default_factory=dict)


def judged_figures(
    comparisons: Sequence[Comparison],
    examined: Sequence[Examined] = (),
    champion: ChampionResult | None = None,
) -> dict[str, Judged]:
    """Return everything that gates may judge, by name."""
    found = {comparison.metric: _of_comparison(comparison) for comparison in comparisons}
    found |= {figure.name: _of_figure(figure) for each in examined for figure in each.figures}
    if champion is None:
        return found
    against = {each.metric: each for each in champion.comparisons}
    for name, judged in found.items():
        missing = Gain(None, champion.why_none or f"{name} was not measured of it", champion.is_absent)
        gain = _gain_of(against[name]) if name in against else champion.gains.get(name, missing)
        found[name] = replace(judged, gains={**judged.gains, "champion": gain})
    return found


def _of_comparison(comparison: Comparison) -> Judged:
    gains = {comparison.partner: _gain_of(comparison)} if comparison.base is not None else {}
    return Judged(comparison.tuned, comparison.num_rows, gains)


def _gain_of(comparison: Comparison) -> Gain:
    use = "use max" if comparison.lower_is_better else "use min"
    why = f"the {comparison.partner} scores 0, so no relative improvement exists; {use}"
    if comparison.is_distance:
        why = f"{comparison.metric} is a distance from 0, of which no relative improvement is told; {use}"
    return Gain(comparison.improvement, why)


def _of_figure(figure: Figure) -> Judged:
    if figure.improvement is None and figure.base is not None and figure.value is not None:
        gain = gain_left_possible(figure.base, figure.value, "base", lower_is_better=figure.lower_is_better)
    else:
        gain = Gain(figure.improvement, "the base was not examined")
    return Judged(figure.value, figure.num_rows, {"base": gain}, figure.why_undefined)


def gain_left_possible(before: Interval, after: Interval, partner: str, *, lower_is_better: bool) -> Gain:
    """Return the relative improvements that two intervals leave possible, where no paired ones were drawn.

    The corners of both intervals are taken, so that nothing is assumed of how the two depend on each other. It is wider
    than a paired interval: the lower end is too high only where one of the two misses in the favourable direction.

    Args:
        before: Of the other model, called ``partner``.
        after: Of the one that is judged.
        partner: Its name.
        lower_is_better: Direction.
    """
    if before.low <= 0:
        ends = f"{before.low:.3g} to {before.high:.3g}"
        why = f"the {partner}'s own interval reaches 0 ({ends}), so no relative improvement is proved; use min or max"
        return Gain(None, why)
    sign = -1.0 if lower_is_better else 1.0
    value = sign * (after.value - before.value) / before.value
    corners = [sign * (t - b) / b for b in (before.low, before.high) for t in (after.low, after.high)]
    return Gain(Interval(value, min(corners), max(corners)))
