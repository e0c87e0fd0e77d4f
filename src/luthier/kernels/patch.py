"""What changes a model in place, notes how to change it back, and reports which parts are fast."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from luthier.kernels.allocator import AllocatorReport
from luthier.kernels.packed_encoder import EncoderPacking
from luthier.kernels.packed_trunk import TrunkPacking


@dataclass(frozen=True)
class Part:
    """One part of the model: how many modules run fast, or why they run plain."""

    name: str
    num_fast: int
    num_plain: int
    reason: str = ""

    def __str__(self) -> str:
        if not self.num_plain:
            return f"{self.name}: fast ({self.num_fast})"
        return f"{self.name}: {self.num_plain} of {self.num_fast + self.num_plain} plain: {self.reason}"


@dataclass
class Acceleration:
    """What `luthier.kernels.accelerate.accelerate` did.

    Args:
        report: The parts of the model, fast or plain.
        allocator: Whether freed memory stays in the process.
        dtype: Type that matrix products run in where autocast is off.
        packing: The trunk's hooks, where its attention is fast.
    """

    report: list[Part]
    allocator: AllocatorReport
    dtype: torch.dtype
    packing: TrunkPacking | EncoderPacking | None = None
    _restore: list[Callable[[], None]] = field(default_factory=list, repr=False)

    @property
    def plain_calls(self) -> dict[str, int]:
        """Calls whose attention ran plain, by reason: attention outputs asked for, masks with gaps."""
        return dict(self.packing.plain_calls) if self.packing else {}

    def undo(self) -> None:
        """Restore the model; the allocator's setting belongs to the process and stays."""
        while self._restore:
            self._restore.pop()()

    def __str__(self) -> str:
        return "\n".join([*map(str, self.report), f"allocator: {self.allocator.reason}"])


class Patch:
    """Changes a model and notes in an `Acceleration` what was changed and how to change it back."""

    def __init__(self, acceleration: Acceleration) -> None:
        self.acceleration = acceleration
        self.dtype = acceleration.dtype

    def on_undo(self, action: Callable[[], None]) -> None:
        """Run ``action`` at undo, before those noted earlier."""
        self.acceleration._restore.append(action)

    def mix_in(self, module: nn.Module, mixin: type, **attributes: Any) -> None:
        """Put ``mixin`` before the module's class. Unlike a replaced ``forward``, this survives a deep copy."""
        original = type(module)
        # The class keeps its name: PEFT and FSDP find modules by it, and save_pretrained writes it down.
        module.__class__ = type(original.__name__, (mixin, original), {"__module__": original.__module__})
        for name, value in attributes.items():
            setattr(module, name, value)

        def restore() -> None:
            module.__class__ = original
            for name in attributes:
                delattr(module, name)

        self.on_undo(restore)

    def report(self, name: str, num_fast: int, obstacles: Iterable[str]) -> None:
        """Note how many modules of one kind are fast, and what keeps the others plain, an entry for each."""
        obstacles = list(obstacles)
        if num_fast or obstacles:
            reason = "; ".join(dict.fromkeys(obstacles))
            self.acceleration.report.append(Part(name, num_fast, len(obstacles), reason))
