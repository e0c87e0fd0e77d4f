"""How each key of `evaluate.fitting` and `evaluate.generalization` is changed, and the files that they read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_F, _G = "evaluate.fitting.", "evaluate.generalization."
_FITTING = ("train.max_steps=8", "train.eval_strategy=steps", "train.eval_steps=2")
_CONSTANT = ("train.lr_scheduler_type=constant", "train.eval_strategy=steps", "train.eval_steps=3")
_LONG = ("train.max_steps=60", "train.learning_rate=0.03", *_CONSTANT)
_FALLING = ("train.max_steps=12", "train.learning_rate=0.02", *_CONSTANT)
_SET = ("evaluate.generalization={sets: [{name: news, path: news.json}], ability: [], rows: 6}",)
_SHOTS = ("evaluate.generalization={shots: [1], shot_rows: 3, shot_answers: 1, ability: []}",)
_ABILITY = ("evaluate.generalization={ability: [english], rows: 6}",)
_DOMAIN = (
    "data.train=[{path: topics.json, attributes: [topic, kind]}]",
    "data.eval={out_of_domain: {field: topic, values: [water]}}",
    "evaluate.generalization={by: topic, ability: []}",
)

Change = tuple[tuple[str, ...], tuple[str, ...]]


def _fitting(key: str, value: str) -> Change:
    return (f"{_F}{key}={value}",), (*_FITTING, "evaluate.fitting={rows: 10, max_gap_ratio: 100}")


FITTING_CHANGES: dict[str, Change] = {
    f"{_F}rows": _fitting("rows", "4"),
    f"{_F}max_gap_ratio": (
        (f"{_F}max_gap_ratio=0",),
        (*_LONG, "data.train_share=0.2", "evaluate.fitting={max_gap_ratio: 999}"),
    ),
    f"{_F}max_rise": ((f"{_F}max_rise=0",), (*_LONG, "evaluate.fitting={max_rise: 9}")),
    f"{_F}min_gain": _fitting("min_gain", "5.0"),
    f"{_F}min_progress": ((f"{_F}min_progress=9.0",), (*_FALLING, "evaluate.fitting={rows: 10}")),
    f"{_G}sets[].name": ((f"{_G}sets.0.name=old",), _SET),
    f"{_G}sets[].path": ((f"{_G}sets.0.path=news2.json",), _SET),
    f"{_G}sets[].schema": ((f"{_G}sets.0.schema=prompt_completion",), _SET),
    f"{_G}sets[].columns": ((f"{_G}sets.0.columns={{output: other}}",), _SET),
    f"{_G}sets[].limit": ((f"{_G}sets.0.limit=3",), _SET),
    f"{_G}rows": ((f"{_G}rows=2",), _SET),
    f"{_G}by": ((f"{_G}by=kind",), _DOMAIN),
    f"{_G}shots": ((f"{_G}shots=[2]",), _SHOTS),
    f"{_G}shot_rows": ((f"{_G}shot_rows=2",), _SHOTS),
    f"{_G}shot_answers": ((f"{_G}shot_answers=0",), _SHOTS),
    f"{_G}ability": ((f"{_G}ability=[chinese]",), _ABILITY),
}
"""By key: what the second recipe has in addition, and what both have."""


def write_files(folder: Path) -> None:
    """Write the files that the changes name."""
    rows = [
        {
            "instruction": f"What is {n}?",
            "output": f"It is {n}.",
            "other": f"No {n}.",
            "prompt": f"Say {n}",
            "completion": f"{n} it is.",
        }
        for n in range(8)
    ]
    topics = [
        {**row, "instruction": f"Tell {n} {row['prompt']}", "topic": topic, "kind": f"{topic}{n // 12}"}
        for n, (row, topic) in enumerate(zip(rows * 3, ["fire", "water", "earth"] * 8, strict=True))
    ]
    files = {"news.json": rows, "news2.json": rows[3:6], "topics.json": topics}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


def fitted(report: Callable[..., Any], made: Any, patch: pytest.MonkeyPatch, *overrides: str) -> Any:
    """What the examinations found."""
    write_files(Path(made.recipe).parent)
    return report("examinations", made, patch, *overrides)
