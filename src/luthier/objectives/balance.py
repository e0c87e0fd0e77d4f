"""The Balance contract: how the losses of a step's micro-batches become one loss and gradient; and the plain way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch

from luthier.data.collate import Batch
from luthier.data.example import Example
from luthier.objectives.contract import Loss


class HeldOutLoss(Protocol):
    """Adds up the loss of held-out rows."""

    def add(self, batch: Any, loss: Loss) -> None:
        """Count a batch without weights."""

    @property
    def mean(self) -> float:
        """The held-out loss."""

    @property
    def parts(self) -> dict[str, float]:
        """The held-out loss of each task; empty where there is one."""


class Balance(Protocol):
    """Makes a step's loss and gradient out of its micro-batches; one object goes through the whole run.

    The loop calls, for each step: `begin`, then `scaled` and a backward pass for each micro-batch, then `end`. What is
    kept between steps is in `state`, so that a resumed run does the same.
    """

    def begin(self, step: int, batches: Sequence[Any]) -> None:
        """Look at all micro-batches of a step."""

    def scaled(self, batch: Any, loss: Loss) -> torch.Tensor:
        """Return what the backward pass of a micro-batch begins with."""

    def end(self) -> float:
        """Make the gradients in the parameters those of the step, and return its loss."""

    def report(self) -> dict[str, Any]:
        """Return what the log tells of the steps since the last report, beside their loss."""

    def held_out(self) -> HeldOutLoss:
        """Return what adds up the held-out loss."""

    def state(self) -> dict[str, Any]:
        """Return what checkpoints must keep, as JSON knows it."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `state` returned."""


class RowOrder(Protocol):
    """Which rows make which step: a pure function of seed and step."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch."""

    def rows(self, step: int) -> list[int]:
        """Return the row numbers of step ``step``, from 0."""


@runtime_checkable
class MixedObjective(Protocol):
    """An objective of several tasks: it says which rows make which step, and how their losses come together."""

    def groups(self, rows: Sequence[Example]) -> list[int]:
        """Return the group of each row: micro-batches hold rows of one group, and groups come in ascending order."""

    def order(
        self, groups: Sequence[int], rows_per_step: int, *, seed: int, count_steps: Callable[[int], int]
    ) -> RowOrder:
        """Return which rows make which step.

        Args:
            groups: Of the training rows.
            rows_per_step: Rows in an optimizer step.
            seed: Of every draw.
            count_steps: From the steps of an epoch to those of the run.
        """

    def uses(self, order: Any, groups: Sequence[int], num_steps: int) -> dict[str, Any]:
        """Return what a run tells of its mixture: for each task, how many rows there are, and how often they come."""

    def balance(
        self, parameters: Mapping[str, torch.nn.Parameter], *, steps_per_epoch: int, seed: int
    ) -> Balance:
        """Return what makes a step's loss and gradient.

        Args:
            parameters: What trains in the model.
            steps_per_epoch: Steps of an epoch.
            seed: Of every draw.
        """


class ItemMean:
    """The loss of a step is the mean over all its items, by the weights of their rows."""

    def begin(self, step: int, batches: Sequence[Batch]) -> None:
        """Add up the weights of the step."""
        self._weight = sum(batch.weight for batch in batches)
        self._total = 0.0

    def scaled(self, batch: Batch, loss: Loss) -> torch.Tensor:
        """Return the micro-batch's part of the mean."""
        self._total += loss.total.item()
        return loss.total / self._weight

    def end(self) -> float:
        """Return the mean; the gradients have added up by themselves."""
        return self._total / self._weight

    def report(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def held_out(self) -> HeldOutLoss:
        """Return a mean over all items."""
        return HeldOutMean()

    def state(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put nothing back."""


class HeldOutMean:
    """The mean over all held-out items."""

    def __init__(self) -> None:
        self._total = 0.0
        self._num_items = 0

    def add(self, batch: Batch, loss: Loss) -> None:
        """Count a batch."""
        self._total += loss.total.item()
        self._num_items += loss.num_items

    @property
    def mean(self) -> float:
        """Loss of an item."""
        return self._total / self._num_items

    @property
    def parts(self) -> dict[str, float]:
        """Nothing: there is one task."""
        return {}
