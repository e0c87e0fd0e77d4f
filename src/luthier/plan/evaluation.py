"""What cannot take effect in ``evaluate:``, and which metrics it will measure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from luthier.core.errors import Fault
from luthier.plan.answer_metrics import GENERATED
from luthier.plan.examinations import check_examinations
from luthier.plan.held_out import has_eval_rows
from luthier.plan.multitask import measured_of_tasks
from luthier.recipe.schema import Recipe


def check_evaluation(recipe: Recipe, written: Collection[str], folder: Path) -> Iterator[Fault]:
    """Yield the faults of ``evaluate:``; see `luthier.plan.checks.check_recipe`."""
    evaluate = recipe.evaluate
    asked = [key for key in ("metrics", "num_generations", "max_new_tokens", "bert_score_encoder", "bootstrap_samples",
             "confidence")
             if f"evaluate.{key}" in written]  # fmt: skip
    if not has_eval_rows(recipe):
        yield from (Fault(f"evaluate.{key}", "has no effect: there are no held-out rows", "data.eval.split: 0.1")
                    for key in (*asked, *evaluate.examinations))  # fmt: skip
        return
    yield from check_examinations(recipe, written, folder)
    objective = recipe.objective
    generated = [m for m in evaluate.metrics if m in GENERATED]
    unknown = [m for m in evaluate.metrics if m not in objective.metrics]
    if unknown and "metrics" in asked:
        problem = (
            f"{', '.join(unknown)} cannot be measured: objective {objective.name} reads {objective.reads}"
        )
        yield Fault("evaluate.metrics", problem, f"metrics: [{', '.join(objective.metrics)}]")
    elif "byte_perplexity" in evaluate.metrics and recipe.vocabulary is not None:
        problem = "byte_perplexity: base and result read other rows with another vocabulary"
        yield Fault("evaluate.metrics", problem, "perplexity, which then compares the same text")
    elif not evaluate.metrics and objective.has_head:
        yield Fault("evaluate.metrics", "is empty", f"metrics: [{', '.join(objective.metrics)}]")
    if "bert_score_encoder" in asked and "bert_score" not in evaluate.metrics:
        problem = "has no effect: bert_score is not among the metrics"
        yield Fault("evaluate.bert_score_encoder", problem, "evaluate.metrics: [bert_score]")
    if not objective.is_chat:
        for key in ("num_generations", "max_new_tokens"):
            if key in asked:
                yield Fault(
                    f"evaluate.{key}", f"has no effect: {objective.name} has no prompts to answer in words"
                )
    elif evaluate.num_generations == 0:
        if generated and "metrics" in asked:
            yield Fault(
                "evaluate.metrics", f"{', '.join(generated)} cannot be measured with num_generations: 0"
            )
        if "max_new_tokens" in asked:
            yield Fault("evaluate.max_new_tokens", "has no effect with num_generations: 0")


def measured_metrics(recipe: Recipe) -> set[str]:
    """Return the metrics of the held-out rows that the evaluate stage will measure."""
    if not has_eval_rows(recipe):
        return set()
    if recipe.objective.has_head:
        if of_tasks := measured_of_tasks(recipe):
            return {"eval_loss", *of_tasks}
        is_default = not set(recipe.evaluate.metrics) <= set(recipe.objective.metrics)
        return {"eval_loss", *(recipe.objective.metrics if is_default else recipe.evaluate.metrics)}
    metrics = {"eval_loss", "perplexity"} if "perplexity" in recipe.evaluate.metrics else set()
    metrics |= {"byte_perplexity"} & set(recipe.evaluate.metrics)
    if recipe.objective.is_chat and recipe.evaluate.num_generations:
        metrics |= {GENERATED[m] for m in recipe.evaluate.metrics if m in GENERATED}
    return metrics | measured_of_tasks(recipe)
