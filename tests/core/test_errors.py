"""What is told of errors of the operating system."""

from __future__ import annotations

import errno
import os

import pytest
from safetensors import SafetensorError

from luthier.core.errors import DiskFullError, LuthierError, is_disk_full, system_refusal


def _system(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    "error",
    [
        _system(errno.ENOSPC, "runs/plan.json"),
        _system(errno.EDQUOT),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk(error: Exception) -> None:
    told = system_refusal(error)
    assert is_disk_full(error) and isinstance(told, DiskFullError)
    assert "the disk is full" in str(told) and "make room" in str(told)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR])
def test_a_place_that_cannot_be_used_is_named(number: int) -> None:
    told = system_refusal(_system(number, "/etc/runs"))
    assert type(told) is LuthierError and str(told).startswith(f"/etc/runs: {os.strerror(number)}")


@pytest.mark.parametrize("error", [_system(errno.ENOENT, "x"), ValueError("No space left"), KeyError("a")])
def test_what_may_be_a_bug_stays_one(error: Exception) -> None:
    assert system_refusal(error) is None and not is_disk_full(error)
