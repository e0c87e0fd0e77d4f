"""Events: one JSON line per thing that happened in a run, for programs that watch it."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Listener = Callable[[dict[str, Any]], None]


class EventLog:
    """Append events to ``events.jsonl`` and hand each to the listeners (console, TensorBoard).

    Lines that a full disk refuses are kept and written with a later event: none is lost.

    Args:
        path: The file; None keeps events in the listeners only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._listeners: list[Listener] = []
        self._unwritten = b""
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            if _is_cut_short(path):
                self._unwritten = b"\n"  # or the next event would be read as a part of the cut one

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with every later event."""
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        """Stop calling ``listener``."""
        self._listeners.remove(listener)

    def emit(self, kind: str, **facts: Any) -> None:
        """Record one event: its kind, the time in seconds since 1970 and its facts."""
        event = {"time": round(time.time(), 3), "kind": kind, **facts}
        self._unwritten += (json.dumps(event, ensure_ascii=False, default=str) + "\n").encode(
            "utf-8", "replace"
        )
        if self._path:
            self._append(self._path)
        for listener in list(self._listeners):
            listener(event)

    def _append(self, path: Path) -> None:
        try:
            with path.open("ab", buffering=0) as file:
                end = file.seek(0, os.SEEK_END)
                try:
                    written = 0
                    while written < len(self._unwritten):
                        written += file.write(self._unwritten[written:])
                except OSError:
                    file.truncate(end)  # no half line
                    raise
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return
        self._unwritten = b""


def _is_cut_short(path: Path) -> bool:
    """Whether a kill or a power cut left a last line without its end."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def read_events(path: Path) -> list[dict[str, Any]]:
    """Return the events of a file; a line that a kill cut short is left out."""
    events = []
    # Bytes: a cut may fall inside a character, and str.splitlines also breaks at U+2028 inside a text.
    for line in path.read_bytes().split(b"\n"):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
