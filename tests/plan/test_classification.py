"""What cannot take effect in the objective's fairness is refused, and what can is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from luthier.plan.checks import check_recipe
from tests.plan.bases import read_recipe

ROWS = {"path": "rows.jsonl", "schema": "classification", "attributes": ["kind"]}


def _faults(folder: Path, fairness: dict[str, Any], **sections: Any) -> list[tuple[str, str]]:
    objective = {"name": "classification", "fairness": {"by": "kind", "positive": "p", **fairness}}
    loaded = read_recipe(folder, **{"objective": objective, "data": {"train": [ROWS]}, **sections})
    return [(f.path, f.problem) for f in check_recipe(loaded.recipe, loaded.origins.keys(), folder)]


SMALL_BATCHES = {"train": {"per_device_train_batch_size": 2}}


@pytest.mark.parametrize(
    ("path", "words", "fairness", "sections"),
    [
        (".by", "keeps the column 'kin'", {"by": "kin"}, {}),
        ("", "too few rows", {}, SMALL_BATCHES),
        (".adversary_learning_rate", "has no adversary", {"adversary_learning_rate": 0.1}, {}),
    ],
)
def test_a_rule_fires(
    path: str, words: str, fairness: dict[str, Any], sections: dict[str, Any], tmp_path: Path
) -> None:
    ((found, problem),) = _faults(tmp_path, fairness, **sections)
    assert found == f"objective.fairness{path}" and words in problem


def test_it_does_not_fire_beside_it(tmp_path: Path) -> None:
    assert _faults(tmp_path, {}) == []
    assert _faults(tmp_path, {"method": "adversary", "adversary_learning_rate": 0.1}) == []
    assert _faults(tmp_path, {"method": "adversary"}, **SMALL_BATCHES) == []  # compares no rows in a batch


def test_an_adversary_is_refused_among_tasks(tmp_path: Path) -> None:
    for method, expected in (("adversary", 1), ("constraint", 0)):
        own = {"name": "classification", "fairness": {"method": method, "by": "kind", "positive": "p"}}
        tasks = [{"name": "a", "objective": own}, {"name": "b", "objective": {"name": "classification"}}]
        rows = [{**ROWS, "task": name} for name in "ab"]
        found = _faults(tmp_path, {}, objective={"name": "multitask", "tasks": tasks}, data={"train": rows})
        paths = [path for path, _ in found if path.endswith("fairness.method")]
        assert paths == ["objective.tasks[0].objective.fairness.method"] * expected, found
