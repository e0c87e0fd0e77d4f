"""Learning-rate schedules against those of Hugging Face."""

from __future__ import annotations

import pytest
import torch
from transformers import get_scheduler

from luthier.train.schedule import count_warmup_steps, rate_factor


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("num_warmup_steps", [0, 1, 7])
def test_rates_equal_hugging_face(kind: str, num_warmup_steps: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    name = "constant_with_warmup" if kind == "constant" else kind
    reference = get_scheduler(name, optimizer, num_warmup_steps=num_warmup_steps, num_training_steps=40)
    for step in range(40):
        ours = rate_factor(kind, step, num_steps=40, num_warmup_steps=num_warmup_steps)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        reference.step()


def test_warmup_ratio_is_rounded_up_and_steps_win() -> None:
    assert count_warmup_steps(100, ratio=0.031, steps=None) == 4
    assert count_warmup_steps(100, ratio=0.5, steps=3) == 3
