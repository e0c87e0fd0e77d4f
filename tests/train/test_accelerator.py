"""What was set for another trainer, in the environment or in this process, does not reach the loop."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

TRAINED = textwrap.dedent(
    """
    import torch
    from luthier.train.accelerator import plain_accelerator

    {before}
    accelerator = plain_accelerator()
    torch.manual_seed(0)
    layer = torch.nn.Linear(8, 8)
    layer, optimizer = accelerator.prepare(layer, torch.optim.SGD(layer.parameters(), lr=0.1))
    loss = layer(torch.linspace(0.001, 1, 16).view(2, 8)).square().sum()
    accelerator.backward(loss)
    optimizer.step()
    print(loss.dtype, loss.item(), layer.weight.detach().double().sum().item())
    """
)
ANOTHER = """
from accelerate import Accelerator
other = Accelerator(mixed_precision="bf16", gradient_accumulation_steps=4)
other.gradient_state._set_sync_gradients(False)
"""


def trained(before: str = "", **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", TRAINED.format(before=before)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def plain() -> str:
    said = trained()
    assert said.startswith("torch.float32")
    return said


def test_the_environment_sets_no_precision_and_no_accumulation(plain: str) -> None:
    wanted = {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"}
    assert trained(**wanted) == plain


def test_a_trainer_that_ran_before_leaves_nothing_behind(plain: str) -> None:
    assert trained(before=ANOTHER) == plain
