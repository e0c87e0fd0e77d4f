"""What cannot take effect in `evaluate.pass_at_k`."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator

from luthier.core.errors import Fault
from luthier.recipe.evaluate_sections.pass_at_k import OF_PYTHON
from luthier.recipe.schema import Recipe


def check_pass_at_k(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield the faults that only the whole recipe shows."""
    section, objective = recipe.evaluate.pass_at_k, recipe.objective
    if section is None:
        return
    path = "evaluate.pass_at_k"
    if objective.has_head:
        problem = f"objective {objective.name} has a head and writes no answers that could be checked"
        yield Fault(path, problem, "leave it out")
        return
    if section.rows is None and not objective.is_chat:
        problem = f"the held-out rows of objective {objective.name} have no reference to check answers by"
        yield Fault(f"{path}.rows", problem, "name a file with the fields prompt and reference")
    if section.temperature == 0.0 and f"{path}.top_p" in written:
        yield Fault(f"{path}.top_p", "has no effect at temperature 0", "leave it out")
    if section.check != "python":
        for key in OF_PYTHON:
            if f"{path}.{key}" in written:
                problem = f"has no effect with check: {section.check}, which runs no code"
                yield Fault(f"{path}.{key}", problem, "leave it out")
    elif importlib.util.find_spec("resource") is None:
        problem = "check: python needs limits of memory and time, which this system does not have"
        yield Fault(f"{path}.check", problem, "run it on Linux or macOS")
