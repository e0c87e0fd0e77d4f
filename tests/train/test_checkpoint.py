"""Checkpoints under attack: flipped bits, cut files, half folders, a full disk."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core import files
from luthier.core.errors import CheckpointError, DiskFullError
from luthier.core.events import EventLog
from luthier.train import checkpoint
from luthier.train.checkpoint import CheckpointStore, TrainState

FINGERPRINT = "a" * 64


def make_store(
    folder: Path, *, keep: int = 2, wait_minutes: float = 0.0
) -> tuple[CheckpointStore, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    log = EventLog(None)
    log.listen(events.append)
    store = CheckpointStore(folder, fingerprint=FINGERPRINT, keep=keep, wait_minutes=wait_minutes, events=log)
    return store, events


def save(store: CheckpointStore, step: int, best_step: int = 0) -> None:
    state = TrainState(fingerprint=FINGERPRINT, step=step, best_step=best_step)
    store.save(state, {"w": torch.full((4, 4), float(step))}, {"w/exp_avg": torch.ones(4, 4)})


def test_round_trip(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path)
    save(store, 5)
    state, weights, optimizer = store.load(5)
    assert state.step == 5 and torch.equal(weights["w"], torch.full((4, 4), 5.0))
    assert torch.equal(optimizer["w/exp_avg"], torch.ones(4, 4))


def test_keeps_the_newest_and_the_best(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path, keep=2)
    for step in range(1, 7):
        save(store, step, best_step=2 if step >= 2 else 0)
    assert store.steps() == [6, 5, 2]


@pytest.mark.parametrize("name", ["trained.safetensors", "optimizer.safetensors", "state.json"])
def test_a_flipped_bit_is_found_and_the_older_checkpoint_taken(name: str, tmp_path: Path) -> None:
    store, events = make_store(tmp_path)
    save(store, 1)
    save(store, 2)
    path = tmp_path / "step-2" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert store.newest() == 1
    warning = next(e["message"] for e in events if e["kind"] == "warning")
    assert "step-2 is damaged" in warning and name in warning
    assert (tmp_path / "damaged-step-2").is_dir()


def test_a_cut_or_missing_file_is_found(tmp_path: Path) -> None:
    store, events = make_store(tmp_path, keep=3)
    for step in (1, 2, 3):
        save(store, step)
    path = tmp_path / "step-3" / "trained.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    (tmp_path / "step-2" / "manifest.json").unlink()
    assert store.newest() == 1
    assert len([e for e in events if e["kind"] == "warning"]) == 2


def test_half_written_folders_are_deleted_aloud(tmp_path: Path) -> None:
    store, events = make_store(tmp_path)
    save(store, 1)
    half = tmp_path / ".partial-999-step-2"
    half.mkdir()
    (half / "trained.safetensors").write_bytes(b"half")
    assert store.newest() == 1
    assert not half.exists()
    assert "half-written" in events[-1]["message"]


def test_loading_a_damaged_checkpoint_by_name_fails(tmp_path: Path) -> None:
    store, _ = make_store(tmp_path)
    save(store, 1)
    (tmp_path / "step-1" / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match="damaged"):
        store.load(1)
    with pytest.raises(CheckpointError, match="does not exist"):
        store.load(9)


def _full_disk(monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
    """Make the next writes of weights fail as a full disk does, after part of the file was written."""
    real = checkpoint.save_file
    left = [failures]

    def save_file(tensors: Any, path: Path) -> None:
        if left[0] > 0:
            left[0] -= 1
            path.write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", save_file)
    monkeypatch.setattr(checkpoint, "_POLL_SECONDS", 0.01)


def test_a_full_disk_pauses_the_run_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, events = make_store(tmp_path, wait_minutes=1)
    save(store, 1)
    _full_disk(monkeypatch, failures=3)
    save(store, 2)
    assert store.newest() == 2
    told = [e for e in events if e["kind"] == "disk_full"]
    assert len(told) == 1 and "paused" in told[0]["message"]


def test_a_disk_that_stays_full_ends_the_run_with_the_last_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = make_store(tmp_path, wait_minutes=0)
    save(store, 1)
    _full_disk(monkeypatch, failures=10**6)
    with pytest.raises(DiskFullError, match="step 1 is whole"):
        save(store, 2)
    monkeypatch.undo()
    assert store.newest() == 1
    assert not list(tmp_path.glob(f"{files._PARTIAL_PREFIX}*"))
