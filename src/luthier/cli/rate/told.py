"""What `luthier rate` tells: intervals and agreement, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click

from luthier.cli.output import print_table
from luthier.data.annotation.agreement import Agreement, Measure
from luthier.evaluate.statistics import Interval


def interval_text(found: Interval | None) -> str:
    """Return a share with its interval, a dash where there is none."""
    return "–" if found is None else f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


def place_text(found: Interval | None) -> str:
    """Return how often the first place won, and whether that is a bias beyond noise."""
    if found is None:
        return "– (no verdict prefers an answer)"
    is_bias = found.low > 0.5 or found.high < 0.5
    return interval_text(found) + ("; the place sways the verdict" if is_bias else "; 50% is no bias")


def measures_of(agreement: Agreement) -> list[Measure]:
    """Return all coefficients, those of each two raters by their names."""
    pairs = [
        Measure(f"cohen_kappa, {pair.first} and {pair.second}", pair.kappa.value, pair.kappa.low, pair.kappa.high,
                pair.kappa.num_rows, pair.kappa.note)
        for pair in agreement.pairs
    ]  # fmt: skip
    return [*agreement.measures, *pairs]


def agreement_facts(agreement: Agreement | None) -> list[dict[str, Any]] | None:
    """Return the coefficients for programs."""
    return None if agreement is None else [asdict(measure) for measure in measures_of(agreement)]


def print_measures(measures: Iterable[Measure]) -> None:
    """Print coefficients with their intervals."""
    print_table(
        ("agreement", "value", "interval", "items", "note"),
        [(m.name, _number(m.value), f"{_number(m.low)} to {_number(m.high)}", f"{m.num_rows:,}", m.note)
         for m in measures],
    )  # fmt: skip


def warn(text: str) -> None:
    """Print what a reader must not overlook."""
    click.secho(f"warning: {text}", fg="yellow")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
