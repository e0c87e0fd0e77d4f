"""`gates:` in a recipe: what a model must be proved to be before it is registered."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from luthier.recipe.section import Section


class Gate(Section):
    """A condition that the tuned model must meet to be registered.

    The unfavourable end of the confidence interval decides: what is not proved does not pass.
    """

    metric: str = Field(
        description="What decides: a metric of the held-out rows (eval_loss, perplexity, rouge_l, f1_macro …), or a "
        "figure of an examination, named EXAMINATION.FIGURE; the plan refuses what the recipe does not measure."
    )
    task: str | None = Field(
        None, description="Of which task of `objective: {name: multitask}`; default: of all together."
    )
    relative_to: Literal["base", "baseline", "champion"] | None = Field(
        None,
        description="Compare with the base model; or, where the task has a head, with the baseline that always says "
        "the same; or with the version that `register.champion_alias` points to, on the same rows.",
    )
    better_by: float | None = Field(
        None,
        description="With relative_to: least relative improvement; 0.05 means 5 % lower loss or higher score.",
    )
    without_champion: Literal["pass", "fail"] = Field(
        "fail", description="With relative_to: champion: the verdict while no version has the alias."
    )
    min: float | None = Field(None, description="Least value.")
    max: float | None = Field(None, description="Greatest value.")

    @property
    def figure(self) -> str:
        """What is judged, as reports call it: with its task, where there are several."""
        return f"{self.task}.{self.metric}" if self.task else self.metric
