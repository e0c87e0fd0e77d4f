"""Several tasks as one objective: heads over one trunk, or a mixture of generative tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from luthier.core.errors import DataError
from luthier.data.example import Example
from luthier.data.store import tasks_of
from luthier.data.task_encoder import TaskEncoder
from luthier.models.multi_head import MultiHead, task_model
from luthier.objectives.contract import Loss, Objective
from luthier.objectives.multitask.balance import GradientRules, TaskBalance
from luthier.objectives.multitask.evaluator import MultiTaskEvaluator
from luthier.objectives.multitask.held_out import CountBy
from luthier.objectives.multitask.mixing import MixingRules, order_of, uses_by_task
from luthier.objectives.multitask.order import MixtureOrder, StagedOrder
from luthier.objectives.multitask.task_batch import TaskBatch
from luthier.objectives.multitask.weighting import Weighting


@dataclass(frozen=True)
class BalanceRules:
    """How the losses of tasks come together.

    Args:
        make_weighting: From the steps of an epoch to the factors of the losses.
        gradients: What is done with the tasks' gradients.
        count_by: What the tasks' shares of a step count.
    """

    make_weighting: Callable[[int], Weighting]
    gradients: GradientRules
    count_by: CountBy


class MultiTask:
    """Trains several tasks in one run.

    Args:
        tasks: The objective of each, by name; all have heads, or none.
        mixing: Which rows come when.
        balancing: How the losses come together.
    """

    def __init__(self, tasks: Mapping[str, Objective], mixing: MixingRules, balancing: BalanceRules) -> None:
        self._names = list(tasks)
        self._tasks = list(tasks.values())
        self._mixing = mixing
        self._balancing = balancing
        self.encoder = TaskEncoder({name: task.encoder for name, task in tasks.items()})

    @property
    def head(self) -> MultiHead | None:
        """A head for each task; None until all are known, and for generative tasks."""
        heads = {name: task.head for name, task in zip(self._names, self._tasks, strict=True)}
        known = {name: head for name, head in heads.items() if head is not None}
        return MultiHead(heads=known) if len(known) == len(heads) else None

    @property
    def evaluator(self) -> MultiTaskEvaluator | None:
        """Judges each task by its own evaluator; None where there are no heads."""
        found = {name: task.evaluator for name, task in zip(self._names, self._tasks, strict=True)}
        known = {name: evaluator for name, evaluator in found.items() if evaluator is not None}
        return MultiTaskEvaluator(known) if len(known) == len(found) else None

    def collate(self, examples: Sequence[Example]) -> Any:
        """Return one micro-batch of one task, a `TaskBatch`."""
        task = self._names.index(str(examples[0].task))
        assert all(example.task == examples[0].task for example in examples), "a micro-batch has one task"
        return TaskBatch(task, self._tasks[task].collate(examples))

    def loss(self, model: Any, batch: Any) -> Loss:
        """Return the batch's loss, as its task computes it."""
        return self._tasks[batch.task].loss(self._model_of(model, batch.task), batch.batch)

    def item_losses(self, model: Any, batch: Any) -> torch.Tensor:
        """Return the loss of each supervised item, as its task computes it."""
        return self._tasks[batch.task].item_losses(self._model_of(model, batch.task), batch.batch)

    def groups(self, rows: Sequence[Example]) -> list[int]:
        """Return the number of each row's task.

        Raises:
            DataError: A task has no row among them.
        """
        numbers = {name: number for number, name in enumerate(self._names)}
        groups = [numbers[str(task)] for task in tasks_of(rows)]
        present = set(groups)
        for name, number in numbers.items():
            if rows and number not in present:
                raise DataError(
                    f"none of {len(rows)} rows belongs to task {name}: it could not be trained, or not be measured",
                    where="objective.tasks",
                    cure="look into rejected.jsonl; held-out rows of every task: data.eval.sources, or a larger split",
                )
        return groups

    def order(
        self, groups: Sequence[int], rows_per_step: int, *, seed: int, count_steps: Callable[[int], int]
    ) -> MixtureOrder | StagedOrder:
        """Return which rows make which step; see `luthier.objectives.multitask.mixing`."""
        own = [np.flatnonzero(np.asarray(groups) == task) for task in range(len(self._names))]
        rows = dict(zip(self._names, own, strict=True))
        return order_of(self._mixing, rows, rows_per_step, seed=seed, count_steps=count_steps)

    def uses(
        self, order: MixtureOrder | StagedOrder, groups: Sequence[int], num_steps: int
    ) -> dict[str, Any]:
        """Return for each task its rows and how often they come in a run."""
        return uses_by_task(order, self._names, groups, num_steps)

    def balance(
        self, parameters: Mapping[str, torch.nn.Parameter], *, steps_per_epoch: int, seed: int
    ) -> TaskBalance:
        """Return what makes a step's loss and gradient."""
        rules = self._balancing
        return TaskBalance(
            self._names,
            rules.make_weighting(steps_per_epoch),
            parameters,
            rules.gradients,
            count_by=rules.count_by,
            # Losses of tokens can be averaged over all tasks; those of rows and tokens have no common item.
            held_out_by="items" if self.head is None else "rows",
            seed=seed,
        )

    def _model_of(self, model: Any, task: int) -> Any:
        return model if self._tasks[task].head is None else task_model(model, self._names[task])
