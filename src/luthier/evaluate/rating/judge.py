"""Judge: a model asked which answer is better, twice a pair with the places swapped; replies are kept as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luthier.core.errors import DataError, ServeError
from luthier.core.hashing import fingerprint
from luthier.data.annotation.journal import append, locked, read
from luthier.evaluate.rating.sheet import Item, Sheet, Side, Verdict
from luthier.evaluate.rating.verdict import judge_messages, read_verdict
from luthier.evaluate.rating.win_rate import Winner
from luthier.models.endpoint import Endpoint

JOURNAL = "judge.jsonl"
_SIDES: tuple[Side, Side] = ("base", "tuned")
_GIVE_UP_AFTER = 8


@dataclass(frozen=True)
class Judged:
    """One reply on one pair in one order, or why there is none.

    Args:
        item: The pair.
        first: Whose answer was shown first.
        verdict: None where it failed.
        fault: Why it failed.
        was_kept: Whether it is from an earlier call.
    """

    item: Item
    first: Side
    verdict: Verdict | None
    fault: str | None = None
    was_kept: bool = False

    @property
    def winner(self) -> Winner | None:
        """Whose answer it prefers; None where it failed."""
        return (
            None
            if self.verdict is None
            else Item(self.item.id, self.item.pair, self.first).winner(self.verdict)
        )


def judge_all(
    sheet: Sheet,
    endpoint: Endpoint,
    folder: Path,
    *,
    max_new_tokens: int,
    at_once: int,
    on_progress: Callable[[int, int], None],
) -> list[Judged]:
    """Return two verdicts of each pair: with the base's answer first, and with the tuned model's.

    Replies are kept in the folder; what was asked before with the same words is not asked again. What the server
    refused is asked again by the next call.

    Args:
        sheet: The pairs.
        endpoint: The judge.
        folder: Of the journal.
        max_new_tokens: Of a reply.
        at_once: Questions that wait at the same time.
        on_progress: Takes how many are done, and of how many.

    Raises:
        ServeError: The server failed many times in a row; the replies so far are kept.
        DataError: The journal in the folder has a line that is no reply.
    """
    asked = [(item, first) for item in sheet.items for first in _SIDES]
    keys = [_key(endpoint, item, first, max_new_tokens) for item, first in asked]
    path = folder / JOURNAL
    replies = _kept(path)
    kept = set(replies)
    faults: dict[str, str] = {}
    todo = [(key, *one) for key, one in zip(keys, asked, strict=True) if key not in kept]
    done, in_a_row = len(asked) - len(todo), 0
    for answers in _asked_in_turn(todo, endpoint, max_new_tokens, at_once):
        with locked(path):
            append(path, [one for one in answers if "fault" not in one])
        for one in answers:
            in_a_row = in_a_row + 1 if "fault" in one else 0
            (faults if "fault" in one else replies)[one["key"]] = one.get("fault", one)
        done += len(answers)
        on_progress(done, len(asked))
        if in_a_row >= _GIVE_UP_AFTER and done < len(asked):
            cure = f"the same command goes on: {len(replies):,} replies are kept in {path}"
            last = faults[answers[-1]["key"]]
            raise ServeError(f"the judge failed {in_a_row} times in a row, last: {last}", cure=cure)
    return [
        _judged(item, first, replies.get(key), faults.get(key), key in kept)
        for key, (item, first) in zip(keys, asked, strict=True)
    ]


def _judged(
    item: Item, first: Side, reply: dict[str, Any] | None, fault: str | None, was_kept: bool
) -> Judged:
    if reply is None:
        return Judged(item, first, None, fault)
    verdict = read_verdict(str(reply["text"]))
    if verdict is None:
        end = "it was cut short" if reply["finish_reason"] == "length" else "no single VERDICT line"
        fault = f"{end}: …{str(reply['text'])[-80:]!r}"
    return Judged(item, first, verdict, fault, was_kept)


def _messages(item: Item, first: Side) -> Any:
    pair = item.pair
    answers = (pair.base, pair.tuned) if first == "base" else (pair.tuned, pair.base)
    return judge_messages(pair.prompt, pair.reference, *answers)


def _key(endpoint: Endpoint, item: Item, first: Side, max_new_tokens: int) -> str:
    turns = [(turn.role, turn.content) for turn in _messages(item, first)]
    return fingerprint("judge", endpoint.address, endpoint.model, max_new_tokens, turns)


def _asked_in_turn(
    todo: Sequence[tuple[str, Item, Side]], endpoint: Endpoint, max_new_tokens: int, at_once: int
) -> Iterator[list[dict[str, Any]]]:
    """Yield replies, or faults of the server, in batches of those that were asked at the same time."""

    def ask(one: tuple[str, Item, Side]) -> dict[str, Any]:
        key, item, first = one
        try:
            got = endpoint.ask(_messages(item, first), max_new_tokens=max_new_tokens)
        except ServeError as error:
            return {"key": key, "fault": error.problem}
        return {
            "key": key,
            "item": item.id,
            "first": first,
            "text": got.text,
            "finish_reason": got.finish_reason,
        }

    with ThreadPoolExecutor(at_once) as pool:
        for start in range(0, len(todo), at_once):
            yield list(pool.map(ask, todo[start : start + at_once]))


def _kept(path: Path) -> dict[str, dict[str, Any]]:
    """Return the replies of earlier calls by their keys.

    Raises:
        DataError: A line is none of ours.
    """
    _drop_cut_line(path)
    replies = {}
    for number, line in read(path):
        if missing := {"key", "text", "finish_reason"} - set(line):
            cure = "delete the line: its question is asked again"
            raise DataError(f"line {number} has no {min(missing)!r}", where=str(path), cure=cure)
        replies[str(line["key"])] = line
    return replies


def _drop_cut_line(path: Path) -> None:
    """Take away a last line that a crash cut short: it was never told as kept."""
    if not path.is_file():
        return
    with locked(path), path.open("r+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)
