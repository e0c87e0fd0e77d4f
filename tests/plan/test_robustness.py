"""`evaluate.robustness` in the plan: what cannot take effect is refused with its path and a cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from luthier.recipe.evaluate_sections.robustness import GRADIENT_ATTACKS, TEXT_ATTACKS, RobustnessSection
from tests.plan.test_checks import faults

LABELLED: dict[str, Any] = {"objective": {"name": "classification"}}


def _problems(folder: Path, robustness: dict[str, Any], **sections: Any) -> list[str]:
    found = faults(folder, evaluate={"robustness": robustness}, **sections)
    return [f"{fault.path}: {fault.problem}" for fault in found]


@pytest.mark.parametrize("name", ["pretraining", "token_classification", "question_answering"])
def test_objectives_without_a_prediction_of_the_whole_row_are_refused(tmp_path: Path, name: str) -> None:
    (problem,) = _problems(tmp_path, {"attacks": ["typing"]}, objective={"name": name})
    assert problem.startswith(f"evaluate.robustness: objective {name} makes no prediction")


@pytest.mark.parametrize("name", GRADIENT_ATTACKS)
def test_gradient_attacks_are_for_classifiers(tmp_path: Path, name: str) -> None:
    assert _problems(tmp_path, {"attacks": [name]}, **LABELLED) == []
    (problem,) = _problems(tmp_path, {"attacks": ["typing", name]})
    assert problem.startswith(f"evaluate.robustness.attacks: {name}: attacks by gradients")


@pytest.mark.parametrize("name", TEXT_ATTACKS)
def test_attacks_by_text_are_for_chat_models_too(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.noun").touch()
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    assert _problems(tmp_path, {"attacks": [name]}) == []
    assert _problems(tmp_path, {"attacks": [name]}, **LABELLED) == []


def test_synonyms_that_come_from_nowhere_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (problem,) = _problems(tmp_path, {"attacks": ["typing", "synonyms"]})
    assert problem.startswith("evaluate.robustness.attacks: synonyms: there is neither a synonym_file")


def test_a_gate_names_a_figure_that_is_measured(tmp_path: Path) -> None:
    gates = [{"metric": "robustness.typing.success_rate", "max": 0.1}]
    assert _problems(tmp_path, {"attacks": ["typing"]}, gates=gates) == []
    (problem,) = _problems(tmp_path, {"attacks": ["ocr"]}, gates=gates)
    assert problem.startswith("gates[0].metric")


def test_a_folder_without_wordnet_is_refused(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, {"attacks": ["synonyms"], "wordnet": str(tmp_path)})
    assert "there is no index.noun" in problem


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"attacks": ["fgsm"], "queries": 9}, "queries has no effect"),
        ({"attacks": ["typing"], "epsilon": 0.2}, "epsilon has no effect"),
        ({"attacks": ["fgsm"], "pgd_steps": 3}, "pgd_steps has no effect"),
        ({"attacks": ["typing"], "synonym_file": "a.txt"}, "synonym_file has no effect"),
        ({"attacks": ["typing", "typing"]}, "names 'typing' twice"),
        ({"attacks": ["typing"], "min_similarity": 0.9}, "need each other"),
        ({"attacks": ["synonyms"], "synonym_file": "a", "wordnet": "b"}, "takes the place of WordNet"),
        ({"attacks": ["hotflip"], "queries": 1}, "leaves hotflip no answer"),
        ({"attacks": [], "max_edits": 2}, "max_edits has no effect"),
        ({"attacks": ["fgsm"], "epsilon": 0.0}, "greater than 0"),
    ],
)
def test_keys_without_effect_are_refused(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        RobustnessSection(**keys)
