"""The whole examination on a tiny model: figures as promised, a planted loss of ability, bad input told."""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import DataError
from luthier.evaluate.examination import Examined, Subject
from luthier.evaluate.generalization.check import Generalization
from luthier.recipe.evaluate_sections.generalization import GeneralizationSection
from tests.evaluate.generalization.test_domains import subject as subject


def section(**keys: Any) -> GeneralizationSection:
    return GeneralizationSection.model_validate(keys)


def figure(found: Examined, name: str) -> Any:
    return next(each for each in found.figures if each.name == f"generalization.{name}")


@pytest.fixture
def news(tmp_path: Path) -> Path:
    rows = [{"instruction": f"What is the cat {n}?", "output": f"It is a cat {n}."} for n in range(6)]
    (tmp_path / "news.json").write_text(json.dumps(rows), encoding="utf-8")
    return tmp_path


def test_equal_models_lose_nothing_and_all_promised_figures_are_there(subject: Subject, news: Path) -> None:
    asked = section(
        sets=[{"name": "news", "path": "news.json"}], by="topic", shots=[0, 2], shot_rows=3, shot_answers=2
    )
    done: list[tuple[int, int]] = []
    told = replace(subject, recipe_folder=news, tell=lambda at, total: done.append((at, total)))
    found = Generalization(asked).examine(told)
    names = [each.name for each in found.figures]
    assert all(any(fnmatchcase(name, known) for known in asked.figure_names) for name in names)
    exact = {name for name in asked.figure_names if "*" not in name and ".score." not in name}
    assert exact <= set(names) and "generalization.drop.blue" in names
    assert figure(found, "ability_loss").value.value == 0.0
    assert figure(found, "eval_loss.news").improvement.value == 0.0
    drop = figure(found, "drop.blue")
    assert drop.value == drop.base
    assert done[-1] == (18, 18) and len(done) == 18 == 2 * len({at for at, _ in done}) / 2
    assert not any(finding.is_bad for finding in found.findings)
    assert {picture.title for picture in found.pictures} == {
        "Loss by domain",
        "Loss by number of examples",
        "General ability",
    }


def test_a_model_that_forgot_is_found(subject: Subject) -> None:
    def spoilt() -> Any:
        model = subject.load()
        with torch.no_grad():
            # Sure of itself without knowing anything: a random base at least spreads its bets.
            model.get_output_embeddings().weight *= 40.0
        return model

    found = Generalization(section()).examine(replace(subject, load=spoilt))
    grown = figure(found, "ability_loss").value
    assert grown.low > 0.05
    assert found.findings[0].is_bad and "general ability was lost" in found.findings[0].text


def test_without_a_base_ability_is_undefined_and_says_why(subject: Subject) -> None:
    found = Generalization(section(ability=["english"])).examine(replace(subject, load_base=None))
    undefined = figure(found, "ability_loss.english")
    assert undefined.value is None and "tuned from is not known" in undefined.why_undefined


def test_what_the_model_does_not_have_is_told(subject: Subject) -> None:
    with pytest.raises(DataError, match="training rows, which are not known"):
        Generalization(section(shots=[0, 1])).examine(replace(subject, trained=None))
    with pytest.raises(DataError, match="conversations"):
        Generalization(section(shots=[0, 1])).examine(replace(subject, template=None))


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"shots": [1, 1]}, "names a number twice"),
        ({"shot_rows": 4}, "no effect without shots"),
        ({"shots": [1], "shot_rows": 2, "shot_answers": 3}, "more than shot_rows"),
        ({"ability": []}, "examines nothing"),
        ({"ability": ["english", "mine/english.txt"]}, "two texts alike"),
        (
            {"sets": [{"name": "a", "path": "a.json"}, {"name": "a", "path": "b.json"}]},
            "two sets are called a",
        ),
    ],
)
def test_keys_that_cannot_take_effect_are_refused(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        section(**keys)
