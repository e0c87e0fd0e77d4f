"""Learning-rate schedules: pure functions of the step, so that resuming needs no state."""

from __future__ import annotations

import math
from collections.abc import Callable


def _linear(progress: float) -> float:
    return 1.0 - progress


def _cosine(progress: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def _constant(progress: float) -> float:
    return 1.0


_COURSES: dict[str, Callable[[float], float]] = {"linear": _linear, "cosine": _cosine, "constant": _constant}


def rate_factor(kind: str, step: int, *, num_steps: int, num_warmup_steps: int) -> float:
    """Return what the peak rate is multiplied with at ``step``.

    Args:
        kind: ``linear``, ``cosine`` or ``constant``.
        step: Optimizer steps already done, from 0.
        num_steps: Steps of the whole run.
        num_warmup_steps: Steps of linear warm-up from zero.

    Reference:
        ``transformers.optimization.get_scheduler``, whose values are matched.
    """
    if step < num_warmup_steps:
        return step / max(1, num_warmup_steps)
    progress = (step - num_warmup_steps) / max(1, num_steps - num_warmup_steps)
    return max(0.0, _COURSES[kind](progress))


def count_warmup_steps(num_steps: int, *, ratio: float, steps: int | None) -> int:
    """Return the warm-up in steps; a ratio is rounded up, as Hugging Face does."""
    return steps if steps is not None else math.ceil(num_steps * ratio)
