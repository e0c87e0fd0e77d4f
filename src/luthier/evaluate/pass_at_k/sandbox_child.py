"""Runs untrusted code and its tests, in a process of its own that `luthier.evaluate.pass_at_k.sandbox` starts.

Imports the standard library alone, and is started by its path with ``python -I``. It limits itself first; what it
gives up it cannot take back. That all tests were passed is told by a secret that is written to a pipe of its own: an
exit code says nothing, because the code itself can choose it.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import sys
import types
from typing import Any

# Kernel constants: include/uapi/linux/seccomp.h, filter.h, prctl.h, audit.h, sched.h; asm/unistd.h of each machine.
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUALS, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_CAPABILITIES = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_NOT_PERMITTED, _NO_SUCH_CALL = 1, 38
_NUMBER, _MACHINE, _ARGUMENT = 0, 4, (16, 24, 32)
_THREAD, _WRITES = 0x10000, 0x1 | 0x2 | 0x40 | 0x200  # CLONE_THREAD; O_WRONLY, O_RDWR, O_CREAT, O_TRUNC

_X86: dict[str, Any] = {
    "machine": 0xC000003E,
    "clone": 56,
    "openat": 257,
    "open": 2,
    # socket socketpair fork vfork execve kill truncate rename mkdir rmdir creat link unlink symlink chmod chown
    # lchown mknod ptrace utime utimes tkill chroot mount umount2
    "refused": (
        41, 53, 57, 58, 59, 62, 76, 82, 83, 84, 85, 86, 87, 88, 90, 92, 94, 133, 101, 132, 235, 200, 161, 165, 166,
        # rt_sigqueueinfo tgkill unshare setns mkdirat mknodat fchownat futimesat unlinkat renameat linkat symlinkat
        # fchmodat utimensat rt_tgsigqueueinfo renameat2 process_vm_readv process_vm_writev execveat fchmod fchown
        129, 234, 272, 308, 258, 259, 260, 261, 263, 264, 265, 266, 268, 280, 297, 316, 310, 311, 322, 91, 93,
        # setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr setpriority setrlimit prlimit64
        188, 189, 190, 197, 198, 199, 141, 160, 302,
    ),
}  # fmt: skip
_ARM: dict[str, Any] = {
    "machine": 0xC00000B7,
    "clone": 220,
    "openat": 56,
    "open": None,
    # The same by their numbers there, where only the calls with "at" exist.
    "refused": (
        198, 199, 221, 129, 45, 117, 130, 51, 40, 39, 138, 131, 97, 268, 34, 33, 54, 35, 38, 37, 36, 53, 88, 240, 276,
        270, 271, 281, 52, 55, 5, 6, 7, 14, 15, 16, 140, 164, 261,
    ),
}  # fmt: skip
# The same on all machines: pidfd_send_signal io_uring_setup io_uring_enter pidfd_open fchmodat2.
_REFUSED_EVERYWHERE = (424, 425, 426, 434, 452)
# clone3 and openat2 hide their flags behind a pointer; the C library falls back to the older call.
_UNKNOWN = (435, 437)


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("yes", ctypes.c_ubyte),
        ("no", ctypes.c_ubyte),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def _filter(numbers: dict[str, Any]) -> list[tuple[int, int, int, int]]:
    """Return the program that refuses sockets, processes, signals, and whatever changes files."""
    refuse, unknown = (_RETURN, 0, 0, _REFUSE | _NOT_PERMITTED), (_RETURN, 0, 0, _REFUSE | _NO_SUCH_CALL)
    load, allow = (_LOAD, 0, 0, _NUMBER), (_RETURN, 0, 0, _ALLOW)
    program = [
        (_LOAD, 0, 0, _MACHINE), (_EQUALS, 1, 0, numbers["machine"]), (_RETURN, 0, 0, _KILL),
        load, (_AT_LEAST, 0, 1, 0x40000000), refuse,  # the x32 calls
    ]  # fmt: skip
    for number in (*numbers["refused"], *_REFUSED_EVERYWHERE):
        program += [(_EQUALS, 0, 1, number), refuse]
    for number in _UNKNOWN:
        program += [(_EQUALS, 0, 1, number), unknown]
    # A new thread may be, a new process may not.
    program += [
        (_EQUALS, 0, 4, numbers["clone"]),
        (_LOAD, 0, 0, _ARGUMENT[0]),
        (_ANY_BIT, 0, 1, _THREAD),
        allow,
        refuse,
    ]
    for name, argument in (("open", _ARGUMENT[1]), ("openat", _ARGUMENT[2])):
        if numbers[name] is not None:
            program += [
                (_EQUALS, 0, 4, numbers[name]),
                (_LOAD, 0, 0, argument),
                (_ANY_BIT, 0, 1, _WRITES),
                refuse,
                allow,
            ]
    return [*program, allow]


def _close() -> bool:
    """Give up network, processes, signals and changes of files; return whether this system lets us."""
    numbers = {"x86_64": _X86, "aarch64": _ARM}.get(platform.machine())
    if numbers is None or not sys.platform.startswith("linux"):
        return False
    listed = [_Instruction(*each) for each in _filter(numbers)]
    program = _Program(len(listed), (_Instruction * len(listed))(*listed))
    libc = ctypes.CDLL(None)
    # Without capabilities, root neither mounts nor kills nor raises its limits.
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()) or libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return not libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)


def _limit(job: dict[str, Any]) -> None:
    """Set the limits of the operating system, hard ones: they cannot be raised again."""
    memory = job["memory_mb"] * 2**20
    limits = [
        ("RLIMIT_CPU", job["timeout_seconds"]), ("RLIMIT_AS", memory), ("RLIMIT_DATA", memory),
        ("RLIMIT_FSIZE", job["file_bytes"]), ("RLIMIT_CORE", 0), ("RLIMIT_NOFILE", 64),
    ]  # fmt: skip
    for name, most in limits:
        # Not every system has every limit: macOS refuses that of memory.
        try:
            resource.setrlimit(getattr(resource, name), (most, most))
        except (AttributeError, ValueError, OSError):
            continue


def _passes(job: dict[str, Any]) -> str:
    """Run code, then tests, in one module; return what went wrong, empty where nothing did."""
    module = types.ModuleType("answer")
    sys.modules["answer"] = module  # dataclasses and pickle look up a class's module by its name
    names = vars(module)
    for part in ("code", "test"):
        try:
            # Not with the future features of this file, which would turn annotations into text.
            exec(compile(job[part], f"<{part}>", "exec", dont_inherit=True), names)
        except BaseException as error:  # SystemExit and KeyboardInterrupt end the code, not the verdict
            return f"{part}: {type(error).__name__}: {str(error)[:200]}{_line(error, job[part], f'<{part}>')}"
    return ""


def _line(error: BaseException, text: str, name: str) -> str:
    """Return the line of the text at which an error came up."""
    numbers, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            numbers.append(trace.tb_lineno)
        trace = trace.tb_next
    return f" at `{text.splitlines()[numbers[-1] - 1].strip()[:120]}`" if numbers else ""


def main() -> None:
    """Read the job, run it and tell the verdict."""
    job = json.loads(sys.stdin.buffer.read())
    os.dup2(
        os.open(os.devnull, os.O_RDONLY), 0
    )  # the job is a file, in which the code could go back to the secret
    secret, pipe = job.pop("secret"), int(sys.argv[1])
    write, dumps, leave = os.write, json.dumps, os._exit  # the code may replace those of the modules
    _limit(job)
    is_closed = _close()
    if not is_closed:
        # The next best against new processes; threads count, too, and root has no such limit.
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    problem = _passes(job)
    write(pipe, dumps({"secret": secret, "problem": problem, "is_closed": is_closed}).encode())
    leave(0)


if __name__ == "__main__":
    main()
