"""Targets that point into a text follow it when the text is rewritten: places of answers, words with tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute as compute

from luthier.data.operators.batch import is_changed, leave_out_at, rows_of
from luthier.data.operators.rewrite import Edit, edit_rows
from luthier.data.row_json import loads

OPERATOR = "answer_place"
"""Name under which places that moved are counted among the changes."""


class MovedError(Exception):
    """A target cannot be found again in the text that was rewritten."""


@dataclass(frozen=True)
class KeepTargets:
    """Operator that comes after operators that rewrite texts.

    Where a context changed, each answer is found again: its first, second … occurrence stays that one. A row
    whose answer cannot be told any more, or of which a tagged word became empty, is left out.
    """

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Return the batch with the places of answers as the texts are now."""
        edits: dict[int, tuple[Any, list[Edit]]] = {}
        verdicts: dict[int, tuple[str, str]] = {}
        for index, old, new in _changed_rows(batch):
            try:
                _check_tokens(old, new)
                if moved := list(_moved_answers(old, new)):
                    edits[index] = (new, moved)
            except MovedError as error:
                reason = "emptied_token" if "tokens" in new else "answer_moved"
                verdicts[index] = (reason, str(error))
        return leave_out_at(edit_rows(batch, OPERATOR, edits), verdicts)


def _changed_rows(batch: pyarrow.RecordBatch) -> Iterator[tuple[int, Any, Any]]:
    """Yield place, row as it was read and row as it is, of the kept rows that have targets and were changed."""
    paths = batch["paths"].flatten()
    has_targets = compute.or_(compute.equal(paths, "/context"), compute.starts_with(paths, "/tokens/"))
    if not compute.any(has_targets).as_py():
        return
    mask = is_changed(batch) & batch["reason"].is_null().to_numpy(zero_copy_only=False)
    changed = batch.filter(pyarrow.array(mask))
    raws = changed["raw"].cast(pyarrow.binary()).to_pylist()
    yield from zip(np.flatnonzero(mask).tolist(), map(loads, raws), rows_of(changed), strict=True)


def _check_tokens(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    if not (isinstance(old.get("tokens"), list) and isinstance(new.get("tokens"), list)):
        return
    for number, (before, after) in enumerate(zip(old["tokens"], new["tokens"], strict=True)):
        if isinstance(before, str) and before.strip() and not after.strip():
            raise MovedError(f"nothing is left of tokens[{number}], {before!r}: its tag has no word")


def _moved_answers(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Edit]:
    """Move the answers of a row to where they stand now, and yield what was moved."""
    before, after = old.get("context"), new.get("context")
    if not isinstance(before, str) or not isinstance(after, str) or before == after:
        return
    for path, place, key, text, start in _answers(new):
        old_text, old_start = _answer_at(old, path)
        if not isinstance(old_text, str) or not old_text or not before.startswith(old_text, old_start):
            continue  # it was wrong before: whoever reads the row says so
        moved = _found_again(before, old_text, old_start, after, text)
        if moved != start:
            place[key] = moved
            yield Edit(path, start, moved)


def _found_again(before: str, old_text: str, start: int, after: str, text: str) -> int:
    places, now = _occurrences(before, old_text), _occurrences(after, text) if text else []
    if len(places) == len(now):
        return now[places.index(start)]
    if len(now) == 1:
        return now[0]
    what = (
        f"stands there {len(now)} times, {len(places)} times before"
        if now
        else "does not stand there any more"
    )
    raise MovedError(f"the context was rewritten, and the answer {old_text[:60]!r} {what}")


def _occurrences(context: str, text: str) -> list[int]:
    places = []
    place = context.find(text)
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    return places


def _answers(row: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, str, int]]:
    """Yield JSON pointer of the place, the object and key that hold it, text and place of each answer."""
    answers = row.get("answers")
    if isinstance(answers, Mapping):
        texts, starts = answers.get("text"), answers.get("answer_start")
        if isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts):
            for index, (text, start) in enumerate(zip(texts, starts, strict=True)):
                if isinstance(text, str) and type(start) is int:
                    yield f"/answers/answer_start/{index}", starts, index, text, start
    elif isinstance(answers, list):
        for index, answer in enumerate(answers):
            if not isinstance(answer, Mapping) or not isinstance(answer.get("text"), str):
                continue
            for key in ("answer_start", "start"):
                if type(answer.get(key)) is int:
                    yield f"/answers/{index}/{key}", answer, key, answer["text"], answer[key]


def _answer_at(row: Mapping[str, Any], path: str) -> tuple[Any, int]:
    """Return text and place of an answer of the row as it was read."""
    return next(((text, start) for pointer, _, _, text, start in _answers(row) if pointer == path), (None, 0))
