"""The accelerator that the loop stands on: device and backward pass, and nothing that the recipe did not ask for."""

from __future__ import annotations

from accelerate import Accelerator
from accelerate.state import is_initialized


def plain_accelerator() -> Accelerator:
    """Return an accelerator that neither casts, nor scales losses, nor skips optimizer steps.

    Accelerate takes all three from environment variables, and from whatever trainer ran in this process before: a model
    would train in another precision than its plan says. The loop does each of them by itself, as the recipe asks.
    """
    accelerator = Accelerator(mixed_precision=None if is_initialized() else "no")
    accelerator.native_amp = False
    accelerator.scaler = None
    accelerator.gradient_accumulation_steps = 1
    accelerator.gradient_state._set_sync_gradients(True)
    return accelerator
