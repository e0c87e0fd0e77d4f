"""Writers in processes of their own, that race or are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

_RACE = """
import json, sys
from pathlib import Path
from luthier.data.versions.snapshot import Snapshot
from luthier.data.versions.store import Store
from luthier.data.versions.writer import SourceFile
url, writer, snapshots = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = Store(url)
print("ready", flush=True)
sys.stdin.readline()
numbers = []
for n in range(snapshots):
    rows = [{"writer": writer, "snapshot": n, "row": r, "text": "x" * 50} for r in range(40)]
    file = SourceFile(Path("rows.jsonl"), enumerate(rows, start=1))
    taken = Snapshot(tag=f"w{writer}-{n}").take(store.make_dataset("raced"), [file])
    numbers.append(taken.version.number)
print(json.dumps(numbers))
"""

_SLOW = """
import sys, random
from pathlib import Path
from luthier.data.versions.snapshot import Snapshot
from luthier.data.versions.store import Store
from luthier.data.versions.writer import SourceFile
random.seed(int(sys.argv[2]))
rows = [{"n": n, "text": random.randbytes(2000).hex()} for n in range(8000)]
print("ready", flush=True)
file = SourceFile(Path("rows.jsonl"), enumerate(rows, start=1))
Snapshot().take(Store(sys.argv[1]).make_dataset("killed"), [file])
print("done", flush=True)
"""


def racing_writers(url: str, *, writers: int, snapshots: int) -> list[int]:
    """Let several processes take snapshots of one data set at once; return the numbers of their versions."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE, url, str(writer), str(snapshots)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for writer in range(writers)
    ]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    return [number for output in outputs for number in json.loads(output)]


def kill_while_writing(url: str, *, seed: int, after_seconds: float) -> bool:
    """Kill -9 a process while it takes a snapshot; return whether it was done before."""
    command = [sys.executable, "-c", _SLOW, url, str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    time.sleep(after_seconds)
    os.kill(process.pid, signal.SIGKILL)
    return process.communicate(timeout=60)[0] == "done\n"
