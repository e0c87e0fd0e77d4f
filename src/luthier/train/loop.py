"""The one training loop: exact accumulation, resumable to the bit, stopped by its own checks.

It knows methods and objectives only by contract. Everything that decides what a step does is a pure
function of the recipe, the seed and the step, so that a checkpoint is weights, optimizer and counters.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch

from luthier.core.errors import Interrupted, NonFiniteLossError, TrainingError
from luthier.core.events import EventLog
from luthier.data.example import Example
from luthier.data.store import lengths_of
from luthier.methods.contract import Progress, StepHooks, trained_parameters
from luthier.objectives.balance import Balance, HeldOutLoss, ItemMean, MixedObjective
from luthier.objectives.contract import Objective
from luthier.recipe.schema import TrainSection
from luthier.train.accelerator import plain_accelerator
from luthier.train.batches import StepPlan, split_by_group, split_by_rows
from luthier.train.checkpoint import CheckpointStore, TrainState
from luthier.train.hooks import hooks_of
from luthier.train.interrupt import StopSignal
from luthier.train.optimizer import build_optimizer, optimizer_tensors, restore_optimizer
from luthier.train.schedule import count_warmup_steps, rate_factor

_METHOD = "method/"
"""Marks what a method keeps in a checkpoint, among the optimizer's tensors."""


@dataclass(frozen=True)
class StepResult:
    """What one optimizer step did.

    Args:
        loss: Nats per supervised token, rows by their weights.
        grad_norm: Global norm before clipping.
        num_items: Supervised tokens.
        weight: Sum of their weights: their number where every row weighs 1.
        num_tokens: Real tokens, padding not counted.
        seconds: Wall time.
    """

    loss: float
    grad_norm: float
    num_items: int
    weight: float
    num_tokens: int
    seconds: float


class Loop:
    """Trains a prepared model on encoded rows.

    Args:
        model: With the parameters to train marked and in float32.
        objective: Collates and computes the loss.
        train_rows: Encoded rows.
        eval_rows: Held-out rows; empty for none.
        settings: The recipe's train section.
        dtype: Type of the computation.
        micro_batch_tokens: Longest packed micro-batch in tokens.
        seed: Seed of order and dropout.
        checkpoints: Where the state is kept.
        events: Told about every step.
        hooks: What the method does around a step; nothing by default.
    """

    def __init__(
        self,
        model: Any,
        objective: Objective,
        train_rows: Sequence[Example],
        eval_rows: Sequence[Example],
        settings: TrainSection,
        *,
        dtype: torch.dtype,
        micro_batch_tokens: int,
        seed: int,
        checkpoints: CheckpointStore,
        events: EventLog,
        hooks: StepHooks | None = None,
    ) -> None:
        self._accelerator = plain_accelerator()
        if self._accelerator.num_processes > 1:
            raise TrainingError(
                f"{self._accelerator.num_processes} processes were launched; this version trains with one",
                cure="start luthier without a launcher",
            )
        self._parameters = trained_parameters(model)
        optimizer = build_optimizer(self._parameters, settings)
        self._model, self._optimizer = self._accelerator.prepare(model, optimizer)
        self._objective = objective
        self._train_rows = train_rows
        self._eval_rows = eval_rows
        self._settings = settings
        self._dtype = dtype
        self._seed = seed
        self._checkpoints = checkpoints
        self._events = events
        self._hooks = hooks_of(hooks, objective)
        self._eval_lengths = lengths_of(eval_rows)
        self._steps = StepPlan(
            train_rows, objective, settings, micro_batch_tokens=micro_batch_tokens, seed=seed
        )
        self.num_steps = self._steps.num_steps
        self._eval_groups: Sequence[int] | None = None
        self._balance: Balance = ItemMean()
        if isinstance(objective, MixedObjective):
            self._eval_groups = objective.groups(eval_rows)
            self._balance = objective.balance(
                self._parameters, steps_per_epoch=self._steps.steps_per_epoch, seed=seed
            )
        self._num_warmup_steps = count_warmup_steps(
            self.num_steps, ratio=settings.warmup_ratio, steps=settings.warmup_steps
        )

    def run(self, state: TrainState) -> TrainState:
        """Train from ``state`` to the end and return the final state.

        Raises:
            NonFiniteLossError: The loss or the gradient is NaN or infinite; the rows are named.
            Interrupted: SIGINT or SIGTERM came; the state is saved.
        """
        self._hooks.check_schedule(self._progress(state.step))
        if state.step:
            self._restore(state.step)
            self._balance.restore(state.balance)
        logged: list[StepResult] = []
        self._events.emit("train_begin", step=state.step, num_steps=self.num_steps)
        if mixture := self._steps.mixture():
            self._events.emit("mixture", step=0, tasks=mixture)
        with StopSignal() as stop:
            while state.step < self.num_steps and not self._should_stop_early(state):
                result = self._step(state.step)
                state.step += 1
                state.num_items += result.num_items
                state.num_tokens += result.num_tokens
                state.seconds += result.seconds
                logged.append(result)
                if state.step % self._settings.logging_steps == 0 or state.step == self.num_steps:
                    self._log(state, logged)
                    logged = []
                if self._is_due("eval", state.step):
                    self._evaluate(state)
                if self._is_due("save", state.step) or state.best_step == state.step or stop.is_set:
                    self._save(state)
                if stop.is_set and state.step < self.num_steps:
                    raise Interrupted(
                        f"stopped after step {state.step} of {self.num_steps}; the state is saved",
                        cure="run the same command again to continue",
                    )
        if state.step not in self._checkpoints.steps():
            self._save(state)
        self._events.emit("train_end", step=state.step, num_steps=self.num_steps)
        return state

    def load_weights(self, step: int) -> None:
        """Put the trained weights of a checkpoint into the model, and what the method keeps beside them."""
        self._restore(step)

    def _restore(self, step: int) -> None:
        _, weights, tensors = self._checkpoints.load(step)
        self._copy_weights(weights)
        method = {key.removeprefix(_METHOD): t for key, t in tensors.items() if key.startswith(_METHOD)}
        self._hooks.restore(self._model, method)
        optimizer = {key: tensor for key, tensor in tensors.items() if not key.startswith(_METHOD)}
        restore_optimizer(self._optimizer.optimizer, self._parameters, optimizer)

    def _progress(self, step: int) -> Progress:
        return Progress(step, self.num_steps, self._steps.steps_per_epoch)

    def _copy_weights(self, weights: Mapping[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(weights[name])

    def _save(self, state: TrainState) -> None:
        optimizer = optimizer_tensors(self._optimizer.optimizer, self._parameters)
        optimizer |= {f"{_METHOD}{key}": tensor for key, tensor in self._hooks.state(self._model).items()}
        state.balance = self._balance.state()
        self._checkpoints.save(state, {n: p.detach() for n, p in self._parameters.items()}, optimizer)

    def _is_due(self, kind: str, step: int) -> bool:
        """Whether an evaluation or a checkpoint comes after ``step`` steps."""
        strategy = getattr(self._settings, f"{kind}_strategy")
        if strategy == "no":
            return False
        if strategy == "steps":
            return bool(step % getattr(self._settings, f"{kind}_steps") == 0) or step == self.num_steps
        return step % self._steps.steps_per_epoch == 0 or step == self.num_steps

    def _should_stop_early(self, state: TrainState) -> bool:
        patience = self._settings.early_stopping_patience
        if patience is None or state.num_evaluations_without_improvement < patience:
            return False
        self._events.emit(
            "early_stop", step=state.step, best_step=state.best_step, best_loss=state.best_eval_loss
        )
        return True

    def _step(self, step: int) -> StepResult:
        """Do one optimizer step: the gradient of the mean over all its supervised tokens, rows by their weights."""
        started = time.perf_counter()
        # Seeded by the step, dropout needs no generator state in checkpoints and evaluation cannot disturb it.
        torch.manual_seed(self._seed * 1_000_003 + step)
        self._model.train()
        self._hooks.before_step(self._model, self._progress(step))
        rows = self._steps.rows(step)
        batches = [
            self._objective.collate([self._train_rows[r] for r in batch])
            for batch in self._steps.micro_batches(rows)
        ]
        num_items = sum(batch.num_supervised for batch in batches)
        weight = sum(batch.weight for batch in batches)
        self._balance.begin(step, batches)
        for batch in batches:
            loss = self._loss(batch.to(self._accelerator.device))
            self._accelerator.backward(self._balance.scaled(batch, loss))
        mean = self._balance.end()
        if (penalty := self._hooks.penalty(self._model)) is not None:
            self._accelerator.backward(penalty)
        grad_norm = self._clip()
        if not (math.isfinite(mean) and math.isfinite(grad_norm)):
            raise self._non_finite(step, rows, mean, grad_norm)
        self._set_rate(step)
        self._optimizer.step()
        self._hooks.after_step(self._model, self._progress(step + 1))
        self._optimizer.zero_grad(set_to_none=True)
        seconds = time.perf_counter() - started
        num_tokens = self._steps.num_tokens(rows)
        return StepResult(mean, grad_norm, num_items, weight, num_tokens, seconds)

    def _loss(self, batch: Any) -> Any:
        with torch.autocast(self._accelerator.device.type, self._dtype, enabled=self._dtype != torch.float32):
            return self._objective.loss(self._model, batch)

    def _clip(self) -> float:
        limit = self._settings.max_grad_norm
        norm = torch.nn.utils.clip_grad_norm_(self._parameters.values(), math.inf if limit is None else limit)
        return float(norm)

    def _set_rate(self, step: int) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate(step)

    def _rate(self, step: int) -> float:
        factor = rate_factor(
            self._settings.lr_scheduler_type,
            step,
            num_steps=self.num_steps,
            num_warmup_steps=self._num_warmup_steps,
        )
        return self._settings.learning_rate * factor

    def _non_finite(self, step: int, rows: list[int], loss: float, grad_norm: float) -> NonFiniteLossError:
        """Say which rows of the step have a non-finite loss of their own."""
        self._model.eval()
        bad = []
        with torch.no_grad():
            for row in rows:
                batch = self._objective.collate([self._train_rows[row]])
                if not math.isfinite(self._loss(batch.to(self._accelerator.device)).total.item()):
                    bad.append(self._train_rows[row].place)
        places = [self._train_rows[row].place for row in rows]
        self._events.emit(
            "non_finite", step=step + 1, loss=loss, grad_norm=grad_norm, rows=places, bad_rows=bad
        )
        if bad:
            which = f"rows whose own loss is not finite: {'; '.join(bad)}"
        else:
            which = f"no row alone shows it; the rows of the step: {'; '.join(places)}"
        return NonFiniteLossError(
            f"step {step + 1}: loss {loss}, gradient norm {grad_norm}; {which}",
            cure="look at these rows; if they are sound, lower train.learning_rate or set model.dtype: float32",
        )

    def _log(self, state: TrainState, results: Sequence[StepResult]) -> None:
        weight = sum(r.weight for r in results)
        seconds = sum(r.seconds for r in results)
        self._events.emit(
            "train_step",
            step=state.step,
            epoch=round(state.step / self._steps.steps_per_epoch, 4),
            loss=sum(r.loss * r.weight for r in results) / weight,
            learning_rate=self._rate(state.step - 1),
            grad_norm=results[-1].grad_norm,
            tokens_per_second=sum(r.num_tokens for r in results) / seconds,
            seconds_per_step=seconds / len(results),
            memory_bytes=psutil.Process().memory_info().rss,
            **self._balance.report(),
            **self._hooks.report(),
        )

    def _evaluate(self, state: TrainState) -> None:
        """Measure the held-out loss and note whether it is the best."""
        held_out = self._held_out()
        loss = held_out.mean
        if not math.isfinite(loss):
            raise NonFiniteLossError(f"the held-out loss is {loss} after step {state.step}")
        state.eval_losses[str(state.step)] = loss
        if (
            state.best_eval_loss is None
            or loss < state.best_eval_loss - self._settings.early_stopping_threshold
        ):
            state.best_eval_loss, state.best_step = loss, state.step
            state.num_evaluations_without_improvement = 0
        else:
            state.num_evaluations_without_improvement += 1
        told = {"tasks": held_out.parts} if held_out.parts else {}
        self._events.emit(
            "evaluation", step=state.step, eval_loss=loss, is_best=state.best_step == state.step, **told
        )

    def eval_loss(self) -> float:
        """Return the held-out loss in nats per supervised token; weights are for training, not for measuring."""
        return self._held_out().mean

    def _held_out(self) -> HeldOutLoss:
        self._model.eval()
        held_out = self._balance.held_out()
        # By length, so that padded batches waste little; the sum does not depend on the order.
        by_length = sorted(range(len(self._eval_rows)), key=self._eval_lengths.__getitem__)
        with torch.no_grad():
            for part in split_by_group(by_length, self._eval_groups):
                for rows in split_by_rows(part, self._settings.per_device_eval_batch_size):
                    batch = self._objective.collate([self._eval_rows[row] for row in rows]).unweighted()
                    held_out.add(batch, self._loss(batch.to(self._accelerator.device)))
        return held_out
