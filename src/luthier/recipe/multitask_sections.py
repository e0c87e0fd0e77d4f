"""The parts of `objective: {name: multitask}`: sampling, loss weights, gradients and stages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from luthier.recipe.section import Fraction, PositiveInt, Section

Positive = Annotated[float, Field(gt=0.0)]


class ProportionalSampling(Section):
    """Each task gives rows by their number: an epoch sees every row once."""

    name: Literal["proportional"] = "proportional"
    limit: PositiveInt | None = Field(
        None,
        description="A task counts as if it had at most this many rows, so that a large one does not drown the "
        "others; every epoch takes other rows of it.",
    )


class TemperatureSampling(Section):
    """Rates proportional to rows ** (1 / temperature): small tasks come more often (arXiv:1910.10683)."""

    name: Literal["temperature"]
    temperature: Positive = Field(2.0, description="1 is proportional, a high one comes near to equal rates.")
    limit: PositiveInt | None = Field(
        None, description="A task counts as if it had at most this many rows, before the temperature."
    )


class RoundRobinSampling(Section):
    """A row of each task in turn: equal rates, and every step has all tasks."""

    name: Literal["round_robin"]


class RatesSampling(Section):
    """Given rates."""

    name: Literal["rates"]
    rates: dict[str, Positive] = Field(
        description="Rate of each task; only their ratios matter: `{chat: 3, math: 1}`."
    )


Sampling = Annotated[
    ProportionalSampling | TemperatureSampling | RoundRobinSampling | RatesSampling,
    Field(discriminator="name"),
]


class StaticLossWeights(Section):
    """Given factors of the tasks' losses."""

    name: Literal["static"] = "static"
    weights: dict[str, Positive] = Field(
        default_factory=dict, description="Factor of each task's loss; 1 for a task that is not named."
    )


class UncertaintyLossWeights(Section):
    """One over the variance of each task, which is trained (arXiv:1705.07115)."""

    name: Literal["uncertainty"]
    learning_rate: Positive = Field(
        0.01, description="Of the logarithms of the variances; that of the model would hardly move them."
    )


class DynamicAverageLossWeights(Section):
    """A task whose loss falls more slowly counts more (arXiv:1803.10704)."""

    name: Literal["dynamic_average"]
    temperature: Positive = Field(2.0, description="The higher, the more even the weights.")
    period_steps: PositiveInt | None = Field(
        None,
        description="Steps whose average loss is compared with that of as many before; default: an epoch.",
    )


class GradNormLossWeights(Section):
    """Gradients of like size at the last shared layer, larger for tasks that learn more slowly (arXiv:1711.02257)."""

    name: Literal["gradnorm"]
    alpha: Annotated[float, Field(ge=0.0)] = Field(
        1.5, description="Strength of the pull to equal training rates; 0 asks for equal gradient norms."
    )
    learning_rate: Positive = Field(0.025, description="Of the weights themselves.")


LossWeights = Annotated[
    StaticLossWeights | UncertaintyLossWeights | DynamicAverageLossWeights | GradNormLossWeights,
    Field(discriminator="name"),
]


class GradientsSection(Section):
    """What is done with the tasks' gradients of the shared weights."""

    conflict_steps: PositiveInt | None = Field(
        None,
        description="Measure the cosine between each two tasks' gradients every this many steps; default: never.",
    )
    surgery: Literal["none", "pcgrad"] = Field(
        "none",
        description="`pcgrad` takes out of each task's gradient what is against another's (arXiv:2001.06782).",
    )


class StageSection(Section):
    """A stretch of the training with tasks and a mixture of its own."""

    tasks: list[str] = Field(min_length=1, description="Tasks that take part.")
    share: Fraction = Field(description="Share of all steps; the shares add up to 1.")
    sampling: Sampling | None = Field(None, description="How they are mixed; default: as `sampling` says.")
