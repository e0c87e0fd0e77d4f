"""The log of a data set: numbered entries, each written once; who loses the race for a number tries the next."""

from __future__ import annotations

import json
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from luthier.core.errors import DataError
from luthier.data.versions.state import State
from luthier.data.versions.storage import Storage

Decide = Callable[[State], Mapping[str, Any] | None]
"""From the state before to the facts of the next entry, or None where there is nothing to do."""

_FOLDER = "log"
_NAME = re.compile(r"log/(\d{8})(\.state)?\.json")
_CHECKPOINT_EVERY = 50
_MOST_ATTEMPTS = 500
_LONGEST_WAIT_SECONDS = 0.5


class Log:
    """Everything that ever happened to a data set.

    Args:
        storage: The data set's.
        where: Store and data set, for errors.
    """

    def __init__(self, storage: Storage, where: str) -> None:
        self._storage = storage
        self._where = where

    def state(self) -> State:
        """Return what all entries add up to.

        Raises:
            DataError: An entry is missing or damaged.
        """
        last, checkpoint = self._ends()
        state = State()
        if checkpoint:
            try:
                state = State.from_json(json.loads(self._storage.read(_name(checkpoint, ".state"))))
            except (FileNotFoundError, ValueError, KeyError, TypeError):
                state = State()  # it only saves reading; the entries say the same
        for number in range(state.entries + 1, last + 1):
            self._take(state, number)
        return state

    def state_from_entries(self) -> State:
        """Return the state without looking at what was summed up before."""
        state = State()
        for number in range(1, self._ends()[0] + 1):
            self._take(state, number)
        return state

    def entry(self, number: int) -> dict[str, Any]:
        """Return one entry.

        Raises:
            DataError: It is missing or damaged.
        """
        try:
            entry = json.loads(self._storage.read(_name(number)))
        except FileNotFoundError as error:
            raise self._damaged(number, "is missing") from error
        except ValueError as error:
            raise self._damaged(number, "is not valid JSON") from error
        if not isinstance(entry, dict) or entry.get("entry") != number:
            raise self._damaged(number, "is another than its name says")
        return entry

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield all entries, the oldest first."""
        return (self.entry(number) for number in range(1, self._ends()[0] + 1))

    def append(self, decide: Decide, author: str) -> State:
        """Add an entry, and return the state with it.

        Args:
            decide: Called again with the new state whenever another writer was faster.
            author: Who does this.

        Raises:
            DataError: Other writers were faster every time.
        """
        for attempt in range(_MOST_ATTEMPTS):
            state = self.state()
            facts = decide(state)
            if facts is None:
                return state
            mark = uuid.uuid4().hex
            # A writer whose clock is behind would make the log's time run backwards.
            now = max(datetime.now(UTC).isoformat(timespec="microseconds"), state.time)
            entry = {"entry": state.entries + 1, "id": mark, "time": now, "author": author, **facts}
            data = json.dumps(entry, ensure_ascii=False, indent=1).encode()
            if self._storage.create(_name(entry["entry"]), data) or self._is_mine(entry["entry"], mark):
                state.take(json.loads(data))
                self._sum_up(state)
                return state
            time.sleep(random.uniform(0, min(_LONGEST_WAIT_SECONDS, 0.01 * 2**attempt)))
        raise DataError(
            f"other writers were faster {_MOST_ATTEMPTS} times", where=self._where, cure="try again"
        )

    def _is_mine(self, number: int, mark: str) -> bool:
        """Whether a refused write had succeeded: its answer was lost, and a client that tries again is refused."""
        return bool(self.entry(number)["id"] == mark)

    def _sum_up(self, state: State) -> None:
        if state.entries % _CHECKPOINT_EVERY == 0:
            self._storage.write(_name(state.entries, ".state"), json.dumps(state.to_json()).encode())

    def _ends(self) -> tuple[int, int]:
        """Return the numbers of the last entry and of the last checkpoint."""
        entries, checkpoints = set(), [0]
        for file in self._storage.files(_FOLDER):
            if match := _NAME.fullmatch(file.name):
                if match[2]:
                    checkpoints.append(int(match[1]))
                else:
                    entries.add(int(match[1]))
        last = max(entries, default=0)
        if gap := next((n for n in range(1, last + 1) if n not in entries), None):
            raise self._damaged(gap, "is missing")
        return last, max(n for n in checkpoints if n <= last)

    def _take(self, state: State, number: int) -> None:
        entry = self.entry(number)
        try:
            state.take(entry)
        except (KeyError, TypeError) as error:
            problem = f"cannot be read ({type(error).__name__}: {error})"
            raise self._damaged(number, problem) from error

    def _damaged(self, number: int, problem: str) -> DataError:
        return DataError(
            f"log entry {number} {problem}",
            where=self._where,
            cure=f"restore {_name(number)} from a backup; nothing in a store's log may be changed by hand",
        )


def _name(number: int, kind: str = "") -> str:
    return f"{_FOLDER}/{number:08d}{kind}.json"
