"""What cannot take effect in the sections of examinations, and which figures they will measure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from luthier.core.errors import Fault
from luthier.core.version_address import is_address
from luthier.plan.benchmarks import check_benchmarks
from luthier.plan.fairness import check_fairness
from luthier.plan.generalization import check_fitting, check_generalization
from luthier.plan.held_out import has_eval_rows
from luthier.plan.leaks_and_safety import check_memorization, check_safety
from luthier.plan.pass_at_k import check_pass_at_k
from luthier.plan.robustness import check_robustness
from luthier.recipe.evaluate_sections.benchmarks import BenchmarksSection
from luthier.recipe.schema import Recipe

Check = Callable[[Recipe, Collection[str]], Iterator[Fault]]

CHECKS: Mapping[str, Check] = {
    "fairness": check_fairness,
    "fitting": check_fitting,
    "generalization": check_generalization,
    "memorization": check_memorization,
    "pass_at_k": check_pass_at_k,
    "robustness": check_robustness,
    "safety": check_safety,
}
"""Faults of a section that only the whole recipe shows, by its key; called with the recipe and the written paths."""


def check_examinations(recipe: Recipe, written: Collection[str], folder: Path) -> Iterator[Fault]:
    """Yield the faults of the examinations that a recipe asks for; see `luthier.plan.checks.check_recipe`."""
    for name, section in recipe.evaluate.examinations.items():
        for file in section.files_in(folder):
            if not is_address(folder / file) and not (folder / file).is_file():
                cure = "paths start at the recipe's folder"
                yield Fault(f"evaluate.{name}", f"no file at {folder / file}", cure)
        if isinstance(section, BenchmarksSection):
            yield from check_benchmarks(recipe, section, folder)
        if name in CHECKS:
            yield from CHECKS[name](recipe, written)


def measured_figures(recipe: Recipe, folder: Path) -> tuple[str, ...]:
    """Return the figures that gates may judge; a ``*`` stands for what only the rows tell.

    Args:
        recipe: The recipe.
        folder: Of the recipe.
    """
    if not has_eval_rows(recipe):
        return ()
    sections = recipe.evaluate.examinations.values()
    return tuple(name for section in sections for name in section.figure_names_in(folder))
