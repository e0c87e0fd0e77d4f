"""From sampling and stages as a recipe names them to the order of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from luthier.objectives.multitask.order import (
    Mixture,
    MixtureOrder,
    Rows,
    StagedOrder,
    stage_ends,
    uses_of_rows,
)
from luthier.objectives.multitask.rates import Rates, given_rates, tempered_rates


@dataclass(frozen=True)
class SamplingRule:
    """How often each task comes.

    Args:
        temperature: Of the rates; None where they are given.
        limit: Rows that a task counts as at most.
        rates: Given rates by task.
        takes_turns: A row of each task in turn, at equal rates.
    """

    temperature: float | None = 1.0
    limit: int | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    takes_turns: bool = False

    def mixture(self, rows: Mapping[str, Rows]) -> Mixture:
        """Return the mixture of some tasks; an epoch has as many rows as they have, or may count as."""
        sizes = [len(own) for own in rows.values()]
        counted = [min(size, self.limit or size) for size in sizes]
        return Mixture(list(rows.values()), self._rates(rows, sizes), sum(counted), self.takes_turns)

    def _rates(self, rows: Mapping[str, Rows], sizes: Sequence[int]) -> Rates:
        if self.takes_turns:
            return np.full(len(sizes), 1.0 / len(sizes))
        if self.temperature is None:
            return given_rates([self.rates[name] for name in rows])
        return tempered_rates(sizes, temperature=self.temperature, limit=self.limit)


@dataclass(frozen=True)
class StageRule:
    """A stretch of the training.

    Args:
        tasks: That take part.
        share: Of all steps.
        sampling: Of this stage.
    """

    tasks: tuple[str, ...]
    share: float
    sampling: SamplingRule


@dataclass(frozen=True)
class MixingRules:
    """Sampling of the whole run, and its stages, if it has any."""

    sampling: SamplingRule
    stages: tuple[StageRule, ...] = ()


def order_of(
    rules: MixingRules,
    rows: Mapping[str, Rows],
    rows_per_step: int,
    *,
    seed: int,
    count_steps: Callable[[int], int],
) -> MixtureOrder | StagedOrder:
    """Return the order of rows.

    Args:
        rules: Sampling and stages.
        rows: Row numbers of each task, ascending.
        rows_per_step: Rows in an optimizer step.
        seed: Of every draw.
        count_steps: From the steps of an epoch to those of the run.
    """
    whole = MixtureOrder(rules.sampling.mixture(rows), rows_per_step, seed)
    if not rules.stages:
        return whole
    orders = [
        MixtureOrder(
            stage.sampling.mixture({name: rows[name] for name in rows if name in stage.tasks}),
            rows_per_step,
            seed,
            stage=number,
        )
        for number, stage in enumerate(rules.stages)
    ]
    ends = stage_ends([stage.share for stage in rules.stages], count_steps(whole.steps_per_epoch))
    return StagedOrder(orders, ends, whole.steps_per_epoch)


def uses_by_task(
    order: MixtureOrder | StagedOrder, names: Sequence[str], groups: Sequence[int], num_steps: int
) -> dict[str, Any]:
    """Return for each task its rows, how many are drawn in a run, how often each at most, and how many never are."""
    uses = uses_of_rows(order, len(groups), num_steps)
    of_task = [uses[np.asarray(groups) == task] for task in range(len(names))]
    return {
        name: {
            "rows": len(own),
            "drawn": int(own.sum()),
            "most_uses": int(own.max(initial=0)),
            "never_used": int((own == 0).sum()),
        }
        for name, own in zip(names, of_task, strict=True)
    }
