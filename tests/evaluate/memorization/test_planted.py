"""On SmolLM2 and real rows: a model that learnt few rows by heart fails its gate, one that saw them once passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.evaluate.planted import ALPACA, alpaca_rows, report_of_tuned

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ALPACA.is_file(), reason="needs ../shared/data"),
    pytest.mark.timeout(900),
]


def report(folder: Path, name: str, *, epochs: int, learning_rate: float) -> dict[str, Any]:
    rows = alpaca_rows(45, 70)
    return report_of_tuned(
        folder,
        name,
        rows[:16],
        rows[16:32],
        method={"name": "lora", "r": 32, "lora_alpha": 64},
        epochs=epochs,
        learning_rate=learning_rate,
        examination={"memorization": {"prefix_tokens": [8], "continuation_tokens": 16, "fpr": 0.1}},
        gates=[
            {"metric": "memorization.extracted_share", "max": 0.3},
            {"metric": "memorization.excess_share", "max": 0.3},
        ],
    )


def test_rows_learnt_by_heart_fail_the_gate_and_rows_seen_once_pass(tmp_path: Path) -> None:
    planted = report(tmp_path, "planted", epochs=8, learning_rate=2e-3)
    good = report(tmp_path, "good", epochs=1, learning_rate=1e-4)
    assert [gate["passed"] for gate in planted["gates"]] == [False, False]
    assert [gate["passed"] for gate in good["gates"]] == [True, True]
    figures = {each["name"]: each for each in planted["examinations"][0]["figures"]}
    told_apart = figures["memorization.membership_auc"]["value"]
    assert told_apart is not None and told_apart["low"] > 0.9
