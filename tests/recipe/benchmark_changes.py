"""How each key of `evaluate.benchmarks` is changed, the files that it reads, and what is looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from luthier.evaluate.benchmarks.harness_model import HarnessModel
from tests.evaluate.benchmarks.test_check import write_tasks

_KEY = "evaluate.benchmarks."
BENCHMARKS = ("evaluate.benchmarks={tasks: [{path: choice.yaml}]}",)

BENCHMARK_CHANGES: dict[str, tuple[str, ...]] = {
    f"{_KEY}tasks[].path": (f"{_KEY}tasks.0.path=words.yaml",),
    f"{_KEY}tasks[].num_fewshot": (f"{_KEY}tasks.0.num_fewshot=2",),
    f"{_KEY}tasks[].limit": (f"{_KEY}tasks.0.limit=5",),
    f"{_KEY}batch_size": (f"{_KEY}batch_size=3",),
    f"{_KEY}apply_chat_template": (f"{_KEY}apply_chat_template=true",),
    f"{_KEY}contamination": (f"{_KEY}contamination=false",),
}
"""By key: the change; what both recipes have is `BENCHMARKS`."""


def benchmarked(report: Callable[..., Any], made: Any, patch: pytest.MonkeyPatch, *overrides: str) -> Any:
    """What the benchmarks found, what was asked, and in which batches."""
    write_tasks(Path(made.recipe).parent)
    seen: list[Any] = []
    ask = HarnessModel._loglikelihood_tokens

    def watched(self: HarnessModel, requests: Any, **options: Any) -> Any:
        seen.append((self._batch_size, [prompt for _, prompt, _ in requests]))
        return ask(self, requests, **options)

    patch.setattr(HarnessModel, "_loglikelihood_tokens", watched)
    found = report("examinations", made, patch, *overrides)
    return {**found, "value": [found["value"], seen]}
