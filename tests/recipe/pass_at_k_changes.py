"""How each key of `evaluate.pass_at_k` is changed, and what is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import RecipeError
from luthier.evaluate.pass_at_k import code
from luthier.models.chat_model import ChatModel

_KEY = "evaluate.pass_at_k."
_WORDS = (f"{_KEY}k=[1]", f"{_KEY}samples=2", f"{_KEY}max_new_tokens=6", f"{_KEY}max_rows=3")
_FILE = (*_WORDS, f"{_KEY}rows=puzzles.jsonl")
_ALLOWED = (*_FILE, f"{_KEY}check=python", f"{_KEY}allow_code_execution=true")

PASS_AT_K_CHANGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    f"{_KEY}check": ((f"{_KEY}check=contains",), _FILE),
    f"{_KEY}k": ((f"{_KEY}k=[2]",), _WORDS),
    f"{_KEY}samples": ((f"{_KEY}samples=3",), _WORDS),
    f"{_KEY}temperature": ((f"{_KEY}temperature=1.5",), _WORDS),
    f"{_KEY}top_p": ((f"{_KEY}top_p=0.1",), _WORDS),
    f"{_KEY}max_new_tokens": ((f"{_KEY}max_new_tokens=3",), _WORDS),
    f"{_KEY}stop": ((f"{_KEY}stop=[e]",), _WORDS),
    f"{_KEY}max_rows": ((f"{_KEY}max_rows=2",), _WORDS),
    f"{_KEY}rows": ((f"{_KEY}rows=puzzles.jsonl",), _WORDS),
    f"{_KEY}columns": ((f"{_KEY}columns={{prompt: other}}",), _FILE),
    f"{_KEY}instruction": ((f"{_KEY}instruction=Say it.",), _FILE),
    f"{_KEY}allow_code_execution": ((f"{_KEY}allow_code_execution=false",), _ALLOWED),
    f"{_KEY}timeout_seconds": ((f"{_KEY}timeout_seconds=2",), _ALLOWED),
    f"{_KEY}memory_mb": ((f"{_KEY}memory_mb=300",), _ALLOWED),
}
"""By key: the change, and what both recipes have."""


def sampled(report: Callable[..., Any], made: Any, patch: pytest.MonkeyPatch, *overrides: str) -> Any:
    """What is asked, within which limits code is run, and what was found; or what the recipe may not ask."""
    rows = [
        {"prompt": f"What is {n}?", "other": f"Who is {n}?", "reference": "e", "test": "pass"}
        for n in range(4)
    ]
    (Path(made.recipe).parent / "puzzles.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seen: list[Any] = []
    run_tests, samples = code.run_tests, ChatModel.samples

    def limited(program: str, test: str, limits: Any) -> Any:
        seen.append(limits)
        return run_tests(program, test, limits)

    def asked(self: ChatModel, prompts: Any, sampling: Any, count: int, **others: Any) -> Any:
        seen.append((prompts, sampling, count))
        return samples(self, prompts, sampling, count, **others)

    patch.setattr(code, "run_tests", limited)
    patch.setattr(ChatModel, "samples", asked)
    try:
        found = report("examinations", made, patch, *overrides)
    except RecipeError as error:
        return str(error)
    return {**found, "value": [found["value"], sorted(map(str, seen))]}
