"""What TensorBoard is told of several tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from luthier.train.tracking import TensorBoardTracker

BOTH = {"loss": 1.0, "learning_rate": 0.1, "grad_norm": 1.0, "tokens_per_second": 9.0, "memory_bytes": 5}


def test_each_task_has_curves_of_its_own(tmp_path: Path, monkeypatch: Any) -> None:
    tracker = TensorBoardTracker(tmp_path)
    seen: dict[str, tuple[float, int]] = {}
    monkeypatch.setattr(
        tracker._writer, "add_scalar", lambda name, value, step: seen.update({name: (value, step)})
    )
    tasks = {"intent": {"loss": 0.5, "factor": 1.5, "items": 3.0}}
    tracker(
        {
            "kind": "train_step",
            "step": 2,
            **BOTH,
            "tasks": tasks,
            "gradient_cosines": {"intent | entities": -0.25},
        }
    )
    tracker({"kind": "evaluation", "step": 2, "eval_loss": 2.0, "tasks": {"intent": 0.75}})
    tracker({"kind": "mixture", "step": 0, "tasks": {"intent": {"rows": 3}}})
    tracker.close()
    assert seen["train/intent/loss"] == (0.5, 2) and seen["train/intent/factor"] == (1.5, 2)
    assert seen["eval/intent/loss"] == (0.75, 2) and seen["eval/loss"] == (2.0, 2)
    assert seen["train/gradient_cosine/intent_entities"] == (-0.25, 2)
