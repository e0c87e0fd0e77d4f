"""The machine a plan is made for: cores, memory, and what its processor multiplies natively."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Hardware:
    """Facts that decide types and predictions."""

    device: str
    device_name: str
    num_cores: int
    memory_bytes: int
    has_native_bfloat16: bool


def count_cores() -> int:
    """Return how many cores this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def detect_hardware() -> Hardware:
    """Look at this machine; a GPU counts if torch sees one."""
    if Path("/dev/nvidiactl").exists() or os.environ.get("CUDA_VISIBLE_DEVICES"):
        import torch  # only where a GPU may be there: a second that a laptop's plan need not spend

        if torch.cuda.is_available():
            properties = torch.cuda.get_device_properties(0)
            return Hardware(
                "cuda",
                properties.name,
                count_cores(),
                properties.total_memory,
                torch.cuda.is_bf16_supported(),
            )
    flags, name = _cpu()
    return Hardware(
        device="cpu",
        device_name=name,
        num_cores=count_cores(),
        memory_bytes=psutil.virtual_memory().total,
        has_native_bfloat16=bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})
        or platform.machine() == "arm64",
    )


def _cpu() -> tuple[set[str], str]:
    """Return the processor's flags and name; empty where the system does not tell."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return set(), platform.processor() or platform.machine()
    flags: set[str] = set()
    name = platform.machine()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            flags = set(value.split())
        elif key.strip() == "model name":
            name = value.strip()
    return flags, name
