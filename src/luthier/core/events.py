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
        with path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                written = 0
                while written < len(self._unwritten):
                    written += file.write(self._unwritten[written:])
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                file.truncate(end)  # no half line
                return
        self._unwritten = b""


def read_events(path: Path) -> list[dict[str, Any]]:
    """Return the events of a file; a last line that a kill cut short is left out."""
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return events
