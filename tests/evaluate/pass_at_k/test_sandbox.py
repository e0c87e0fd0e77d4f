"""Untrusted code: no exit passes for a success, limits hold, and what is closed stays closed."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from luthier.evaluate.pass_at_k import sandbox
from luthier.evaluate.pass_at_k.sandbox import Limits, run_tests

pytest.importorskip("resource", reason="limits of processes need Linux or macOS")

LIMITS = Limits(timeout_seconds=1, memory_mb=256)


def _has_filters() -> bool:
    """Return whether the kernel takes filters of system calls: asked with no filter, it complains of the address."""
    if not (sys.platform.startswith("linux") and platform.machine() in ("x86_64", "aarch64")):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    set_seccomp, by_filter = 22, 2  # prctl(2): EINVAL where the kernel, or what stands in for it, has none
    return libc.prctl(set_seccomp, by_filter, None, 0, 0) == -1 and ctypes.get_errno() == errno.EFAULT


CLOSED = pytest.mark.skipif(
    not _has_filters(), reason="this system has no seccomp filters to close a process"
)


def test_only_code_that_passes_its_tests_passes() -> None:
    code = "def double(n): return 2 * n"
    assert run_tests(code, "assert double(4) == 8", LIMITS).is_passed
    wrong = run_tests(code, "x = 1\nassert double(4) == 9", LIMITS)
    assert not wrong.is_passed and "assert double(4) == 9" in wrong.problem


def test_dataclasses_and_pickle_find_the_module_of_the_code() -> None:
    code = "from dataclasses import dataclass\n\n@dataclass\nclass Point:\n    x: int\n    y: 'int' = 2\n"
    test = (
        "import pickle\n"
        "assert pickle.loads(pickle.dumps(Point(1))) == Point(1, 2)\n"
        "assert Point.__annotations__['x'] is int"
    )
    for before in ("", "from __future__ import annotations\n"):
        assert run_tests(before + code, test.replace("is int", "in (int, 'int')"), LIMITS).problem == ""
    assert run_tests(code, test, LIMITS).problem == "", "annotations are no text but where the code wants it"


def test_neither_the_modules_nor_the_input_hold_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.secrets, "token_hex", lambda count: "5ec2e7")
    code = (
        "import os, sys\n"
        "held = [str(vars(each)) for name, each in sys.modules.items() if name in ('answer', '__main__')]\n"
        "try: os.lseek(0, 0, 0)\n"
        "except OSError: pass\n"
        "held.append(os.read(0, 10000).decode())"
    )
    test = "assert len(held) == 3 and not any('5ec2e' + '7' in each for each in held), held"
    assert run_tests(code, test, LIMITS).problem == ""


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nsys.exit(0)",
        "exit()",
        "raise SystemExit(0)",
        "import os\nos._exit(0)",
        "import atexit, os\natexit.register(os._exit, 0)\nraise KeyboardInterrupt",
        "import threading, os\nthreading.Timer(0.01, os._exit, [0]).start()\nimport time\ntime.sleep(2)",
        # A verdict of its own, without the secret, on every descriptor.
        'import os\nfor pipe in range(3, 40):\n    try: os.write(pipe, b\'{"secret": "", "problem": ""}\')\n'
        "    except OSError: pass\nos._exit(0)",
        # So deep that reading it as JSON fails otherwise than by a wrong value.
        "import os\nfor pipe in range(3, 40):\n    try: os.write(pipe, b'[' * 4000)\n"
        "    except OSError: pass\nos._exit(0)",
        "text = '''",
        "def f(:",
        "import os\nos.abort()",
        "input()",
        "def f(): f()\nf()",
    ],
)
def test_no_end_of_the_process_counts_as_passed(code: str) -> None:
    """Tests that pass at once show that it is the end, not they, that fails."""
    assert run_tests("", "assert True", LIMITS).is_passed
    outcome = run_tests(code, "assert True", LIMITS)
    assert not outcome.is_passed and outcome.problem


def test_tests_cannot_be_swallowed_by_a_text_that_the_code_leaves_open() -> None:
    assert not run_tests('x = """', 'y = """\nassert False', LIMITS).is_passed


def test_an_endless_loop_ends_at_the_limit() -> None:
    begun = time.monotonic()
    outcome = run_tests("while True: pass", "", LIMITS)
    assert not outcome.is_passed and time.monotonic() - begun < 10


def test_sleep_ends_by_the_clock_and_nothing_is_left_running(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def kept(*arguments: Any, **options: Any) -> Any:
        started.append(start(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(sandbox.subprocess, "Popen", kept)
    outcome = run_tests("import time\ntime.sleep(60)", "", LIMITS)
    assert outcome.problem == "was not done after 3 s"
    (process,) = started
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_memory_is_limited() -> None:
    hog = "held = bytearray(400 * 2**20)"
    assert "MemoryError" in run_tests(hog, "", LIMITS).problem
    assert run_tests(hog, "", Limits(5, 1024)).is_passed


def test_a_flood_of_verdicts_neither_blocks_nor_passes() -> None:
    code = (
        "import os\nwhile True:\n    for pipe in range(3, 40):\n        try: os.write(pipe, b'x' * 10000)\n"
    )
    code += "        except OSError: pass"
    assert not run_tests(code, "", LIMITS).is_passed


def test_the_folder_is_empty_and_no_keys_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    test = (
        "import os\nassert os.listdir('.') == []\nassert 'API_KEY' not in os.environ and len(os.environ) < 6"
    )
    assert run_tests("", test, LIMITS).problem == ""


@CLOSED
@pytest.mark.parametrize(
    "code",
    [
        "import socket\nsocket.socket()",
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')",
        "import os\nos.fork()",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.execv('/bin/true', ['true'])",
        "import os\nos.kill(os.getppid(), 0)",
        "import os\nos.mkdir('new')",
        "open('new', 'w')",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (900, 900))",
    ],
)
def test_network_processes_signals_and_files_are_closed(code: str) -> None:
    outcome = run_tests(code, "", LIMITS)
    assert outcome.is_closed and not outcome.is_passed
    assert any(word in outcome.problem for word in ("not permitted", "not allowed")), outcome.problem


@CLOSED
def test_files_of_the_user_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "precious.txt"
    path.write_text("content")
    changes = ("os.remove(p)", "os.truncate(p, 0)", "open(p, 'a')", "os.rename(p, p + '2')", "os.chmod(p, 0)",
               "os.open(p, os.O_RDWR)", "os.symlink(p, p + '3')", "os.utime(p)")  # fmt: skip
    for change in changes:
        outcome = run_tests(f"import os\np = {str(path)!r}\n{change}", "", LIMITS)
        assert not outcome.is_passed and "not permitted" in outcome.problem, change
    assert path.read_text() == "content" and list(tmp_path.iterdir()) == [path]


@CLOSED
def test_threads_may_run() -> None:
    code = "import threading\nseen = []\nt = threading.Thread(target=lambda: seen.append(1))\nt.start()\nt.join()"
    assert run_tests(code, "assert seen == [1]", LIMITS).problem == ""
