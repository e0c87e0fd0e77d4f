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


def test_another_c_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    report = keep_freed_memory()
    assert not report.is_on
    assert "musl" in report.reason
