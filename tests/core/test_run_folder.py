"""The run folder: one process at a time, results of siblings linked, everything cleared but the lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from luthier.core.artifact import ARTIFACT_FILE, Artifact
from luthier.core.errors import LuthierError
from luthier.core.run_folder import RunFolder

HOLDING = """
import sys, time
from pathlib import Path
from luthier.core.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).exclusive():
    print("held", flush=True)
    time.sleep(60)
"""


@dataclass(frozen=True)
class Made(Artifact):
    stage: ClassVar[str] = "data"
    rows: int = 0


def make_result(run: Path, fingerprint: str) -> Path:
    folder = run / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "train.parquet").write_bytes(b"rows" * 100)
    Made(folder=folder, fingerprint=fingerprint, rows=7).save()
    return folder


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(folder.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(LuthierError, match=f"pid {holder.pid}"), folder.exclusive():
            pytest.fail("two processes hold one run")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with folder.exclusive():  # the system freed it: no stale lock after a kill -9
        assert (folder.path / ".lock").read_text() == f"pid {os.getpid()}"


def test_the_lock_is_freed_by_an_error_in_the_block(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ZeroDivisionError), folder.exclusive():
        raise ZeroDivisionError
    with folder.exclusive():
        pass


def test_adopt_links_the_sibling_with_the_same_fingerprint(tmp_path: Path) -> None:
    make_result(tmp_path / "other", "b" * 64)
    theirs = make_result(tmp_path / "same", "a" * 64)
    run = RunFolder(tmp_path / "mine")
    assert run.adopt("data", "a" * 64) == tmp_path / "same"
    mine = run.path / "data"
    assert Made.load(mine) == Made(folder=mine, fingerprint="a" * 64, rows=7)
    assert (mine / "deep" / "train.parquet").samefile(theirs / "deep" / "train.parquet"), "linked, not copied"
    Made(folder=mine, fingerprint="c" * 64, rows=9).save()
    assert Made.load(theirs) == Made(folder=theirs, fingerprint="a" * 64, rows=7), "an atomic write unlinks"


def test_adopt_takes_nothing_else(tmp_path: Path) -> None:
    make_result(tmp_path / "other", "b" * 64)
    make_result(tmp_path / "mine", "a" * 64)
    unfinished = make_result(tmp_path / "unfinished", "a" * 64)
    (unfinished / ARTIFACT_FILE).unlink()
    assert RunFolder(tmp_path / "mine").adopt("data", "a" * 64) is None
    assert RunFolder(tmp_path / "new").adopt("data", "a" * 64) == tmp_path / "mine"


def test_a_damaged_sibling_does_not_stop_adoption(tmp_path: Path) -> None:
    (make_result(tmp_path / "aaa", "a" * 64) / ARTIFACT_FILE).write_text('{"fingerpr')
    make_result(tmp_path / "same", "a" * 64)
    assert RunFolder(tmp_path / "mine").adopt("data", "a" * 64) == tmp_path / "same"


@pytest.mark.parametrize(
    "record",
    [
        '{"stage": "train", "fingerprint": "a", "rows": 7}',
        '{"stage": "data", "fingerprint": "a"}',
        '{"stage": "data", "fingerprint": "a", "rows": 7, "columns": 2}',
        '{"stage": "da',
        "[]",
    ],
)
def test_a_record_of_another_stage_version_or_damage_is_no_artifact(record: str, tmp_path: Path) -> None:
    (tmp_path / ARTIFACT_FILE).write_text(record)
    assert Made.load(tmp_path) is None
    (tmp_path / ARTIFACT_FILE).write_text('{"stage": "data", "fingerprint": "a", "rows": 7}')
    assert Made.load(tmp_path) == Made(folder=tmp_path, fingerprint="a", rows=7)


def test_clear_keeps_only_the_lock(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    with run.exclusive():
        run.begin(recipe_text="name: a\n", plan={"values": 1}, lock={"seed": 2})
        make_result(run.path, "a")
        run.clear()
        assert [path.name for path in run.path.iterdir()] == [".lock"]
        with pytest.raises(LuthierError), run.exclusive():
            pytest.fail("clearing gave the lock away")


def test_the_receipt_grows(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.receipt() == {}
    run.add_to_receipt(one=1, two=1)
    run.add_to_receipt(two=2)
    assert run.receipt() == {"one": 1, "two": 2}
