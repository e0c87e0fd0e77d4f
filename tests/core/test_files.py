"""Atomic files and folders: after a kill or an error at any moment, what exists is complete."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from luthier.core import files
from luthier.core.files import (
    atomic_folder,
    manifest_faults,
    manifest_of,
    read_json,
    remove_partial,
    write_bytes,
    write_json,
    write_text,
)

SHA256_OF_500_B = "ba44b93823e5c24e99d64a916b3e53a97613d4c438c0c2896cadc2dd8195c14a"
OLD, NEW = b"old" * 1000, b"new" * 1000


def killed_in_a_child(work: Callable[[], None]) -> bool:
    """Do ``work`` in a forked process; return whether SIGKILL ended it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def kill_at_call(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Kill the process at its ``number``-th call into the file system, of those that the module makes."""
    calls = [0]

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            calls[0] += 1
            if calls[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return call

    for owner, name in (
        (Path, "open"),
        (Path, "mkdir"),
        (Path, "replace"),
        (os, "replace"),
        (os, "rename"),
        (os, "fsync"),
        (os, "unlink"),
        (os, "rmdir"),
        (files.shutil, "rmtree"),
    ):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


def write_folder(target: Path, content: bytes) -> None:
    with atomic_folder(target) as partial:
        for name in ("one", "two"):
            (partial / name).write_bytes(content)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_killed_at_any_call_holds_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    seen = set()
    for number in range(1, 50):
        path.write_bytes(OLD)

        def work(number: int = number) -> None:
            with pytest.MonkeyPatch.context() as patch:
                kill_at_call(patch, number)
                write_bytes(path, NEW)

        was_killed = killed_in_a_child(work)
        assert path.read_bytes() in (OLD, NEW), f"cut at call {number}"
        seen.add(path.read_bytes())
        remove_partial(tmp_path)
        assert list(tmp_path.iterdir()) == [path]
        if not was_killed:
            break
    assert number > 3 and seen == {OLD, NEW}, "the kills must reach both sides of the rename"


def test_a_folder_killed_at_any_call_is_never_half_there(tmp_path: Path) -> None:
    """Old, new or recoverable by the next start; never a folder that lacks a file, never nothing."""
    target = tmp_path / "step-1"
    seen = set()
    for number in range(1, 80):
        write_folder(target, OLD)

        def work(number: int = number) -> None:
            with pytest.MonkeyPatch.context() as patch:
                kill_at_call(patch, number)
                write_folder(target, NEW)

        was_killed = killed_in_a_child(work)
        remove_partial(tmp_path)
        assert target.is_dir(), f"neither the old nor the new folder is there after a kill at call {number}"
        content = content_of(target)
        assert content in ({"one": OLD, "two": OLD}, {"one": NEW, "two": NEW}), f"half at call {number}"
        assert list(tmp_path.iterdir()) == [target]
        seen.add(content["one"])
        if not was_killed:
            break
    assert number > 6 and seen == {OLD, NEW}


def test_a_new_folder_killed_in_the_block_does_not_exist(tmp_path: Path) -> None:
    target = tmp_path / "model"

    def work() -> None:
        with atomic_folder(target) as partial:
            (partial / "weights").write_bytes(NEW)
            os.kill(os.getpid(), signal.SIGKILL)

    assert killed_in_a_child(work)
    assert not target.exists()
    assert [path.name.startswith(".partial-") for path in remove_partial(tmp_path)] == [True]
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_block_keeps_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "model"
    write_folder(target, OLD)
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as partial:
        (partial / "one").write_bytes(NEW)
        raise KeyboardInterrupt
    assert content_of(target) == {"one": OLD, "two": OLD}
    assert list(tmp_path.iterdir()) == [target], "the scratch folder is gone"


def test_a_replaced_folder_keeps_no_file_of_the_old(tmp_path: Path) -> None:
    target = tmp_path / "model"
    write_folder(target, OLD)
    with atomic_folder(target) as partial:
        (partial / "three").write_bytes(NEW)
    assert content_of(target) == {"three": NEW}


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "value"
    write_bytes(path, OLD)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, NEW)
    assert path.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [path]


def test_text_of_every_language_and_lone_surrogates_survive(tmp_path: Path) -> None:
    text = "北京 🎻 é \ud83d"
    write_text(tmp_path / "text", text)
    assert (tmp_path / "text").read_bytes().decode("utf-8", "surrogatepass") == text
    write_json(tmp_path / "json", {"key": "北京"})
    assert read_json(tmp_path / "json") == {"key": "北京"}
    assert "北京" in (tmp_path / "json").read_text(encoding="utf-8")


def test_a_value_read_back_may_hold_a_lone_surrogate(tmp_path: Path) -> None:
    write_json(tmp_path / "json", {"key": "\ud83d"})
    assert read_json(tmp_path / "json") == {"key": "\ud83d"}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    (folder / "below").mkdir(parents=True)
    (folder / "a.bin").write_bytes(bytes(range(256)) * 40)
    (folder / "below" / "b.bin").write_bytes(b"b" * 500)
    (folder / "manifest.json").write_text("{}")
    return folder


def test_a_manifest_of_untouched_files_has_no_fault(written: Path) -> None:
    manifest = manifest_of(written, exclude=("manifest.json",))
    assert set(manifest) == {"a.bin", "below/b.bin"}
    assert manifest["below/b.bin"]["bytes"] == 500
    # sha256sum of 500 times the letter b, computed with coreutils
    assert manifest["below/b.bin"]["sha256"] == SHA256_OF_500_B
    assert manifest_faults(written, manifest) == []


@pytest.mark.parametrize("position", [0, 5_000, 10_239])
@pytest.mark.parametrize("bit", [0, 7])
def test_a_manifest_finds_one_flipped_bit(written: Path, position: int, bit: int) -> None:
    manifest = manifest_of(written)
    data = bytearray((written / "a.bin").read_bytes())
    data[position] ^= 1 << bit
    (written / "a.bin").write_bytes(data)
    (fault,) = manifest_faults(written, manifest)
    assert "a.bin" in fault and "hash differs" in fault


def test_a_manifest_finds_cut_grown_and_missing_files(written: Path) -> None:
    manifest = manifest_of(written)
    (written / "a.bin").write_bytes((written / "a.bin").read_bytes()[:-1])
    (written / "manifest.json").write_text("{}\n")
    (written / "below" / "b.bin").unlink()
    faults = manifest_faults(written, manifest)
    assert len(faults) == 3
    assert any("a.bin has 10239 bytes, 10240 were written" in fault for fault in faults)
    assert any("below/b.bin is missing" in fault for fault in faults)


def test_remove_partial_leaves_whole_files(tmp_path: Path) -> None:
    write_bytes(tmp_path / "whole", OLD)
    (tmp_path / ".partial-1-file").write_bytes(b"x")
    (tmp_path / ".partial-1-folder").mkdir()
    assert len(remove_partial(tmp_path)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert remove_partial(tmp_path / "absent") == []
