"""`gates:` in a recipe: what a model must be proved to be before it is registered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from luthier.recipe.evaluate_sections.evaluate import AnswerMetric, TaskMetric
from luthier.recipe.section import Section

GateMetric = Literal["eval_loss", "perplexity", "byte_perplexity", "rouge_l", AnswerMetric, TaskMetric]


class Gate(Section):
    """A condition that the tuned model must meet to be registered.

    The unfavourable end of the confidence interval decides: what is not proved does not pass.
    """

    metric: GateMetric = Field(description="The metric that decides.")
    task: str | None = Field(
        None, description="Of which task of `objective: {name: multitask}`; default: of all together."
    )
    relative_to: Literal["base", "baseline"] | None = Field(
        None,
        description="Compare with the base model; or, where the task has a head, with the baseline that always says "
        "the same.",
    )
    better_by: float | None = Field(
        None,
        description="With relative_to: least relative improvement; 0.05 means 5 % lower loss or higher score.",
    )
    min: float | None = Field(None, description="Least value.")
    max: float | None = Field(None, description="Greatest value.")
