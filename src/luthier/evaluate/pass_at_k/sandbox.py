"""Untrusted code and its tests in a process of its own: limited in time, memory, files, and closed where possible.

It guards against the accidents of a model: endless loops, much memory, deleted files, a verdict that the code gives
itself. It is no wall against somebody who studies it: code and tests share an interpreter, so that code which looks
for the verdict in the interpreter's frames, or answers with objects that equal everything, can pass. Where answers
may be hostile, run all of it in a container or a virtual machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_CHILD = Path(__file__).with_name("sandbox_child.py")
_FILE_BYTES = 2**20
_MOST_TOLD = 4096
_CLOCK = 3
"""Times the processor time that a process may take by the clock: it may sleep, and the machine may be busy."""


@dataclass(frozen=True)
class Limits:
    """What one run may use.

    Args:
        timeout_seconds: Of processor time; by the clock three times as much.
        memory_mb: Of address space.
    """

    timeout_seconds: int = 5
    memory_mb: int = 512


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Args:
        is_passed: Whether code and tests ran to their end.
        problem: What went wrong; empty where nothing did.
        is_closed: Whether network, other processes and changes of files were closed; None where the run did not tell.
    """

    is_passed: bool
    problem: str
    is_closed: bool | None


def run_tests(code: str, test: str, limits: Limits) -> Outcome:
    """Run code, then tests in the same namespace, in a new process whose folder is empty and temporary.

    Args:
        code: Of the answer.
        test: Raises where the code is wrong.
        limits: Of time and memory.
    """
    secret = secrets.token_hex(16)
    job = {
        "code": code,
        "test": test,
        "secret": secret,
        "timeout_seconds": limits.timeout_seconds,
        "memory_mb": limits.memory_mb,
        "file_bytes": _FILE_BYTES,
    }
    ours, theirs = os.pipe()
    with tempfile.TemporaryDirectory(prefix="luthier-answer-") as folder, tempfile.TemporaryFile() as sent:
        sent.write(json.dumps(job).encode())
        sent.seek(0)
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-X", "utf8", str(_CHILD), str(theirs)],
                cwd=folder,
                env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},  # no keys, no tokens
                stdin=sent,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs,),
                start_new_session=True,
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        try:
            told = _read(ours, time.monotonic() + limits.timeout_seconds * _CLOCK)
        finally:
            os.close(ours)
            # All of its session, also what it may have started; macOS refuses where all of it has ended.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            code_of_exit = process.wait()
    return _outcome(told, secret, code_of_exit, limits)


def _read(pipe: int, until: float) -> bytes | None:
    """Return what a process tells before it ends or the pipe is full; None where the time is over."""
    told = b""
    while len(told) < _MOST_TOLD:
        left = until - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            return None
        if not (part := os.read(pipe, _MOST_TOLD)):
            break
        told += part
    return told


def _outcome(told: bytes | None, secret: str, code_of_exit: int, limits: Limits) -> Outcome:
    if told is None:
        clock = limits.timeout_seconds * _CLOCK
        return Outcome(False, f"was not done after {clock} s", None)
    verdict: object = None
    with contextlib.suppress(ValueError, RecursionError):  # the code may have written there, too
        verdict = json.loads(told)
    if isinstance(verdict, dict) and verdict.get("secret") == secret:
        problem = str(verdict["problem"])
        return Outcome(not problem, problem, bool(verdict["is_closed"]))
    if len(told) >= _MOST_TOLD:
        return Outcome(False, "wrote where the verdict is told", None)
    if code_of_exit in (-signal.SIGKILL, -signal.SIGXCPU):
        return Outcome(False, f"was ended at its limit of {limits.timeout_seconds} s of processor time", None)
    return Outcome(False, f"ended itself before its tests did, with exit code {code_of_exit}", None)
