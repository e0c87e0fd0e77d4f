"""From the recipe's section to the objective of several tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from luthier.objectives.contract import Objective
from luthier.objectives.multitask.balance import GradientRules
from luthier.objectives.multitask.dynamic_average import DynamicAverage
from luthier.objectives.multitask.gradnorm import GradNorm
from luthier.objectives.multitask.mixing import MixingRules, SamplingRule, StageRule
from luthier.objectives.multitask.objective import BalanceRules, MultiTask
from luthier.objectives.multitask.uncertainty import UncertaintyWeights
from luthier.objectives.multitask.weighting import StaticWeights, Weighting
from luthier.recipe.multitask_sections import (
    DynamicAverageLossWeights,
    GradNormLossWeights,
    ProportionalSampling,
    RatesSampling,
    RoundRobinSampling,
    Sampling,
    StaticLossWeights,
    TemperatureSampling,
    UncertaintyLossWeights,
)
from luthier.recipe.objective_sections import MultitaskObjective


def build_multitask(section: MultitaskObjective, build: Callable[[Any], Objective]) -> MultiTask:
    """Return the objective of several tasks.

    Args:
        section: Of the recipe.
        build: Makes the objective of one task.
    """
    names = [task.name for task in section.tasks]
    stages = tuple(
        StageRule(tuple(stage.tasks), stage.share, _sampling(stage.sampling or section.sampling))
        for stage in section.stages
    )
    gradients = section.gradients
    return MultiTask(
        {task.name: build(task.objective) for task in section.tasks},
        MixingRules(_sampling(section.sampling), stages),
        BalanceRules(
            partial(_weighting, section, names),
            GradientRules(gradients.conflict_steps, gradients.surgery == "pcgrad"),
            section.count_by or section.default_count_by,
        ),
    )


def _sampling(section: Sampling) -> SamplingRule:
    return _SAMPLING[type(section)](section)


_SAMPLING: dict[type, Callable[[Any], SamplingRule]] = {
    ProportionalSampling: lambda section: SamplingRule(1.0, section.limit),
    TemperatureSampling: lambda section: SamplingRule(section.temperature, section.limit),
    RoundRobinSampling: lambda section: SamplingRule(takes_turns=True),
    RatesSampling: lambda section: SamplingRule(None, rates=section.rates),
}


def _weighting(section: MultitaskObjective, names: list[str], steps_per_epoch: int) -> Weighting:
    weights = section.loss_weights
    return _WEIGHTING[type(weights)](weights, names, steps_per_epoch)


_WEIGHTING: dict[type, Callable[[Any, list[str], int], Weighting]] = {
    StaticLossWeights: lambda section, names, _: StaticWeights([section.weights.get(n, 1.0) for n in names]),
    UncertaintyLossWeights: lambda section, names, _: UncertaintyWeights(
        len(names), learning_rate=section.learning_rate
    ),
    DynamicAverageLossWeights: lambda section, names, steps_per_epoch: DynamicAverage(
        len(names), period=section.period_steps or steps_per_epoch, temperature=section.temperature
    ),
    GradNormLossWeights: lambda section, names, _: GradNorm(
        len(names), alpha=section.alpha, learning_rate=section.learning_rate
    ),
}
