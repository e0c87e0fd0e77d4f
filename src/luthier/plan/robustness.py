"""What cannot take effect in `evaluate.robustness`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from luthier.core.errors import Fault
from luthier.recipe.evaluate_sections.robustness import GRADIENT_ATTACKS, TEXT_ATTACKS
from luthier.recipe.schema import Recipe


def check_robustness(recipe: Recipe, written: Collection[str]) -> Iterator[Fault]:
    """Yield the faults that only the whole recipe shows."""
    section, objective = recipe.evaluate.robustness, recipe.objective
    if section is None:
        return
    if objective.name != "classification" and not objective.is_chat:
        yield Fault(
            "evaluate.robustness",
            f"objective {objective.name} makes no prediction of a row that is right or wrong as a whole",
            "leave it out; classifiers and chat models can be attacked",
        )
        return
    gradient = [name for name in section.attacks if name in GRADIENT_ATTACKS]
    if gradient and objective.name != "classification":
        yield Fault(
            "evaluate.robustness.attacks",
            f"{', '.join(gradient)}: attacks by gradients are for objective classification; {objective.name} is asked "
            "which of several answers it prefers, which has no gradient in one text's tokens",
            f"choose among {', '.join(TEXT_ATTACKS)}",
        )
    if section.wordnet is not None and not (Path(section.wordnet) / "index.noun").is_file():
        yield Fault(
            "evaluate.robustness.wordnet",
            f"there is no index.noun in {section.wordnet}",
            "name the folder of WordNet's data files",
        )
