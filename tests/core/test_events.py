"""Events: none is lost on a full disk, and a line cut by a kill spoils no other."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any

import pytest

from luthier.core.events import EventLog, read_events


def kinds(path: Path) -> list[str]:
    return [event["kind"] for event in read_events(path)]


class FullDisk:
    """Lets the first ``room`` bytes of every write through, then raises as a full disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: int = errno.ENOSPC) -> None:
        self.room: int | None = None
        disk, opened = self, Path.open

        class File(io.FileIO):
            def write(self, data: Any) -> int:
                if disk.room is None:
                    return super().write(data)
                if disk.room:
                    written = super().write(bytes(data)[: disk.room])
                    disk.room = 0
                    return written
                raise OSError(error, "no room")

        def open_(path: Path, mode: str = "r", buffering: int = -1, **kwargs: Any) -> Any:
            return File(path, "a") if mode == "ab" else opened(path, mode, buffering, **kwargs)

        monkeypatch.setattr(Path, "open", open_)


@pytest.mark.parametrize("room", [0, 7])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_events_of_a_full_disk_are_written_later_in_order(
    room: int, error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    heard: list[str] = []
    log.listen(lambda event: heard.append(event["kind"]))
    log.emit("one")
    with monkeypatch.context() as patch:
        disk = FullDisk(patch, error)
        for kind in ("two", "three"):
            disk.room = room
            log.emit(kind)
            content = path.read_bytes()
            assert content.endswith(b"\n") and content.count(b"\n") == 1, "no half line stays"
        disk.room = None
        log.emit("four")
    assert kinds(path) == heard == ["one", "two", "three", "four"]


def test_a_file_that_a_full_disk_cannot_create_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(tmp_path / "events.jsonl")

    def full(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        log.emit("one")
    log.emit("two")
    assert kinds(tmp_path / "events.jsonl") == ["one", "two"]


def test_another_error_is_not_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    disk = FullDisk(monkeypatch, errno.EIO)
    disk.room = 0
    with pytest.raises(OSError, match="no room"):
        log.emit("one")


def test_a_line_cut_at_any_byte_is_skipped_and_the_next_event_kept(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    log = EventLog(whole)
    log.emit("first")
    log.emit("second", text="北京 é")
    data = whole.read_bytes()
    start = data.index(b"\n") + 1
    for end in range(start, len(data)):
        cut.write_bytes(data[:end])
        expected = ["first"] if end < len(data) - 1 else ["first", "second"]
        assert kinds(cut) == expected
        EventLog(cut).emit("third")
        assert kinds(cut) == [*expected, "third"], f"cut at byte {end}"


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "a\nb\r\nc", "\ud83d", "北京"])
def test_a_text_with_line_separators_stays_one_event(text: str, tmp_path: Path) -> None:
    EventLog(tmp_path / "events").emit("notice", message=text)
    (event,) = read_events(tmp_path / "events")
    assert event["message"] == text.replace("\ud83d", "?")
    assert (tmp_path / "events").read_bytes().count(b"\n") == 1


def test_events_without_a_file_reach_the_listeners(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    log = EventLog(None)
    log.listen(heard.append)
    log.emit("train_step", loss=1.5, where=tmp_path)
    log.unlisten(heard.append)
    log.emit("train_end")
    assert [(event["kind"], event.get("loss")) for event in heard] == [("train_step", 1.5)]


def test_a_line_is_json_with_time_and_facts(tmp_path: Path) -> None:
    EventLog(tmp_path / "deep" / "events").emit("train_step", loss=1.5, where=tmp_path)
    event = json.loads((tmp_path / "deep" / "events").read_text())
    assert event["loss"] == 1.5 and event["where"] == str(tmp_path) and event["time"] > 1.7e9
