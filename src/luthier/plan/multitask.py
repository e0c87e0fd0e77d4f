"""What cannot take effect among several tasks: names that nobody has, tasks without rows, weights of nothing."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Iterator

from luthier.core.errors import Fault
from luthier.plan.answer_metrics import GENERATED
from luthier.plan.compatibility import refusal_of
from luthier.recipe.multitask_sections import (
    GradNormLossWeights,
    RatesSampling,
    Sampling,
    StageSection,
    StaticLossWeights,
)
from luthier.recipe.objective_sections import MultitaskObjective
from luthier.recipe.schema import Recipe


def check_multitask(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield the faults of several tasks; see `luthier.plan.checks.check_recipe`."""
    objective = recipe.objective
    if not isinstance(objective, MultitaskObjective):
        yield from _check_no_tasks(recipe)
        return
    yield from _check_tasks(objective)
    yield from _check_sources(recipe, objective)
    names = [task.name for task in objective.tasks]
    yield from _check_rates(objective.sampling, names, "objective.sampling")
    yield from _check_weights(objective, names)
    yield from _check_stages(objective, names, written)
    yield from _check_gradients(objective)
    if "data.too_long" in written and all(task.objective.name == "pretraining" for task in objective.tasks):
        yield Fault("data.too_long", "has no effect: pretraining cuts raw text into blocks")
    for index, task in enumerate(objective.tasks):
        if getattr(task.objective, "documents", "separate") != "separate":
            problem = "blocks of several documents would mix with rows of other tasks"
            yield Fault(f"objective.tasks[{index}].objective.documents", problem, "documents: separate")
        if refusal := refusal_of(recipe.method.name, task.objective.name):
            problem = f"{recipe.method.name} makes no sense with {task.objective.name}: {refusal.reason}"
            yield Fault(f"objective.tasks[{index}].objective", problem, refusal.cure)


def task_gradient_bytes(recipe: Recipe, num_trainable: int) -> int:
    """Return what the gradients of single tasks take, where they are kept apart beside that of the step."""
    objective = recipe.objective
    if not isinstance(objective, MultitaskObjective):
        return 0
    gradients = objective.gradients
    is_apart = (
        gradients.conflict_steps is not None
        or gradients.surgery != "none"
        or isinstance(objective.loss_weights, GradNormLossWeights)
    )
    copies = len(objective.tasks) * (2 if gradients.surgery != "none" else 1)
    return 4 * num_trainable * copies if is_apart else 0


def measured_of_tasks(recipe: Recipe) -> set[str]:
    """Return the metrics of each task that the evaluate stage will measure, as ``TASK.METRIC``."""
    objective = recipe.objective
    if not isinstance(objective, MultitaskObjective):
        return set()
    wanted: set[str] = set(recipe.evaluate.metrics)
    if not wanted <= set(objective.metrics):  # the default, which resolving replaces
        wanted = set(objective.metrics)
    measured = set()
    for task in objective.tasks:
        if objective.has_head:
            own = {"eval_loss", *wanted.intersection(task.objective.metrics)}
        else:
            own = {"eval_loss", "perplexity"} if "perplexity" in wanted else set()
            if recipe.evaluate.num_generations and task.objective.is_chat:
                own |= {GENERATED[metric] for metric in wanted if metric in GENERATED}
        measured |= {f"{task.name}.{metric}" for metric in own}
    return measured


def _check_no_tasks(recipe: Recipe) -> Iterator[Fault]:
    """Yield what only several tasks read."""
    by = recipe.data.balance.by
    is_balanced_by_task = "task" in ([by] if isinstance(by, str) else by or [])
    why = f"has no effect: objective {recipe.objective.name} has one task"
    for place, sources in (("train", recipe.data.train), ("eval.sources", recipe.data.eval.sources)):
        for index, source in enumerate(sources):
            if source.task is not None and not is_balanced_by_task:
                yield Fault(f"data.{place}[{index}].task", why, "objective: {name: multitask, tasks: …}")
    for index, gate in enumerate(recipe.gates):
        if gate.task is not None:
            yield Fault(f"gates[{index}].task", why)


def _check_tasks(objective: MultitaskObjective) -> Iterator[Fault]:
    names = [task.name for task in objective.tasks]
    if len(names) == 1:
        single = objective.tasks[0].objective.name
        yield Fault(
            "objective.tasks", "has one task: nothing is mixed or weighed", f"objective: {{name: {single}}}"
        )
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Fault(f"objective.tasks[{index}].name", f"{name} is the name of another task too")
    kinds = {task.objective.name for task in objective.tasks}
    headed = [task.name for task in objective.tasks if task.objective.has_head]
    if headed and len(headed) < len(names):
        others = ", ".join(name for name in names if name not in headed)
        problem = f"{', '.join(headed)} predict with a head, {others} with the next token: no model does both"
        yield Fault("objective.tasks", problem, "ask for the labels in words: sft for all tasks")
    elif not headed and len(kinds) > 1:
        problem = (
            f"mixes {' and '.join(sorted(kinds))}: conversations and raw text are encoded and compared apart"
        )
        yield Fault("objective.tasks", problem, "make two runs: pretraining, then sft on its result")


def _check_sources(recipe: Recipe, objective: MultitaskObjective) -> Iterator[Fault]:
    """Yield sources of unknown tasks, of rows that the task cannot read, and tasks that no source can have rows of."""
    sections = {task.name: task.objective for task in objective.tasks}
    for place, sources in (("train", recipe.data.train), ("eval.sources", recipe.data.eval.sources)):
        for index, source in enumerate(sources):
            path = f"data.{place}[{index}]"
            if source.task is not None and source.task not in sections:
                yield _unknown(f"{path}.task", source.task, sections)
            elif source.task is not None and source.schema_ not in (None, *sections[source.task].schemas):
                problem = f"{source.schema_} does not fit task {source.task}, which reads {sections[source.task].reads}"
                yield Fault(f"{path}.schema", problem)
        if sources and all(source.task is not None for source in sources):
            for name in sections:
                if all(source.task != name for source in sources):
                    yield Fault(
                        f"data.{place}", f"no source has rows of task {name}", f"{{path: FILE, task: {name}}}"
                    )
    for index, gate in enumerate(recipe.gates):
        if gate.task is not None and gate.task not in sections:
            yield _unknown(f"gates[{index}].task", gate.task, sections)


def _check_rates(sampling: Sampling | None, names: Collection[str], path: str) -> Iterator[Fault]:
    if not isinstance(sampling, RatesSampling):
        return
    for name in sampling.rates:
        if name not in names:
            yield _unknown(f"{path}.rates.{name}", name, names)
    if missing := [name for name in names if name not in sampling.rates]:
        yield Fault(f"{path}.rates", f"has no rate of {', '.join(missing)}", f"{missing[0]}: 1")


def _check_weights(objective: MultitaskObjective, names: Collection[str]) -> Iterator[Fault]:
    weights = objective.loss_weights
    if isinstance(weights, StaticLossWeights):
        for name in weights.weights:
            if name not in names:
                yield _unknown(f"objective.loss_weights.weights.{name}", name, names)
    elif not _has_common_step(objective):
        problem = f"{weights.name} has no effect: no stage has two tasks to weigh against each other"
        yield Fault("objective.loss_weights.name", problem)


def _check_stages(
    objective: MultitaskObjective, names: Collection[str], written: Collection[str]
) -> Iterator[Fault]:
    stages = objective.stages
    if not stages:
        return
    if len(stages) == 1:
        yield Fault(
            "objective.stages", "has one stage, which would be the whole training", "leave stages out"
        )
    for index, stage in enumerate(stages):
        yield from _check_stage(stage, names, f"objective.stages[{index}]")
    if not math.isclose(total := math.fsum(stage.share for stage in stages), 1.0, abs_tol=1e-6):
        yield Fault("objective.stages", f"the shares add up to {total:g}, not to 1")
    for name in names:
        if all(name not in stage.tasks for stage in stages):
            yield Fault(
                "objective.stages", f"no stage trains task {name}", "name it in a stage, or drop the task"
            )
    is_written = any(path.startswith("objective.sampling") for path in written)
    if is_written and all(stage.sampling is not None for stage in stages):
        problem = "only counts the steps of an epoch: every stage has a sampling of its own"
        yield Fault("objective.sampling", problem, "leave it out, or leave it out of a stage")


def _check_stage(stage: StageSection, names: Collection[str], path: str) -> Iterator[Fault]:
    for place, name in enumerate(stage.tasks):
        if name not in names:
            yield _unknown(f"{path}.tasks[{place}]", name, names)
        elif name in stage.tasks[:place]:
            yield Fault(f"{path}.tasks[{place}]", f"{name} stands there twice")
    yield from _check_rates(stage.sampling, stage.tasks, f"{path}.sampling")


def _check_gradients(objective: MultitaskObjective) -> Iterator[Fault]:
    if _has_common_step(objective):
        return
    for key, is_on in (
        ("conflict_steps", objective.gradients.conflict_steps is not None),
        ("surgery", objective.gradients.surgery != "none"),
    ):
        if is_on:
            yield Fault(
                f"objective.gradients.{key}",
                "has no effect: no stage has two tasks whose gradients could meet",
            )


def _has_common_step(objective: MultitaskObjective) -> bool:
    """Whether two tasks can be in one step."""
    if len(objective.tasks) < 2:
        return True  # told elsewhere
    return not objective.stages or any(len(set(stage.tasks)) > 1 for stage in objective.stages)


def _unknown(path: str, name: str, known: Iterable[str]) -> Fault:
    near = difflib.get_close_matches(name, list(known), n=1)
    return Fault(
        path, f"{name} is no task", f"did you mean `{near[0]}`?" if near else f"tasks: {', '.join(known)}"
    )
