"""Freed blocks stay in the process, and the report says where they cannot."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from luthier.kernels.allocator import keep_freed_memory

_PAGE_FAULTS = """
import resource, sys
from luthier.kernels.allocator import keep_freed_memory
if sys.argv[1] == "on":
    assert keep_freed_memory().is_on
import torch
for _ in range(30):
    torch.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt belongs to glibc")
def test_large_blocks_are_used_again_without_page_faults() -> None:
    def faults(setting: str) -> int:
        command = [sys.executable, "-c", _PAGE_FAULTS, setting]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("on") < faults("off") / 3


_HELD = """
import psutil
from luthier.kernels.allocator import keep_freed_memory
assert keep_freed_memory().is_on
import torch
kept = []
for _ in range(20):  # a small block behind each large one: a hole in the heap would stay
    large = torch.ones(20_000_000)
    kept.append(torch.ones(10_000))
    del large
    kept.append(torch.ones(30_000))
print(psutil.Process().memory_info().rss)
torch.ones(20_000_000)
print(psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt belongs to glibc")
def test_the_largest_blocks_go_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", _HELD], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after - before < 40_000_000
    assert before < 600_000_000


def test_another_c_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    report = keep_freed_memory()
    assert not report.is_on
    assert "musl" in report.reason
