"""CleanTexts: rewriters one after the other, again until nothing changes, so that cleaning twice is cleaning once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow
import pyarrow.compute as compute

from luthier.data.operators.batch import leave_out_at
from luthier.data.operators.rewrite import Note, kept_texts, replace_texts

_MOST_ROUNDS = 8


class Rewriter(Protocol):
    """Rewrites one text, and has a name that its changes are counted under. It can be pickled.

    It may have a ``hint``, too: an RE2 pattern that every text matches which it changes. Where all have one, texts
    without any hint are passed over by the batch.
    """

    @property
    def name(self) -> str:
        """Short, as in the recipe."""

    def __call__(self, text: str) -> str:
        """Return the text rewritten, or as it was."""


@dataclass(frozen=True)
class CleanTexts:
    """Operator that rewrites texts until no rewriter changes them any more.

    A row of which nothing but white space is left, and one whose texts never come to rest, is left out.

    Args:
        rewriters: In order.
    """

    rewriters: Sequence[Rewriter]

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Return the batch cleaned."""
        texts = kept_texts(batch)
        steps = [(rewriter.name, rewriter) for rewriter in self.rewriters]
        changed: dict[int, str] = {}
        notes: list[Note] = []
        restless: set[int] = set()
        for index in self._worth(texts.values):
            text = texts.values[index]
            cleaned, history = _at_rest(text, steps)
            if cleaned is None:
                restless.add(texts.rows[index])
            elif history:
                changed[index] = cleaned
                notes += [(index, operator, before) for operator, before in history]
        emptied = _emptied(texts.values, texts.rows.tolist(), changed)
        if not changed and not restless:
            return batch
        unstable = ("unstable", f"its text is not at rest after {_MOST_ROUNDS} rounds of {self._names()}")
        empty = ("emptied", f"nothing but white space is left of it after {self._names()}")
        verdicts = {**dict.fromkeys(emptied, empty), **dict.fromkeys(restless, unstable)}
        return leave_out_at(replace_texts(batch, texts, changed, notes), verdicts)

    def _worth(self, texts: Sequence[str]) -> Iterable[int]:
        """Return the places of texts that a rewriter may change."""
        hints = [getattr(rewriter, "hint", None) for rewriter in self.rewriters]
        if not all(hints):
            return range(len(texts))
        hint = "|".join(f"(?:{each})" for each in hints)
        matches = compute.match_substring_regex(pyarrow.array(texts, pyarrow.string()), hint)
        worth: list[int] = np.flatnonzero(matches.to_numpy(zero_copy_only=False)).tolist()
        return worth

    def _names(self) -> str:
        return ", ".join(rewriter.name for rewriter in self.rewriters)


def _at_rest(
    text: str, steps: Sequence[tuple[str, Callable[[str], str]]]
) -> tuple[str | None, list[tuple[str, str]]]:
    """Return the text as no step changes it, None where there is no such text, and what each step changed."""
    history: list[tuple[str, str]] = []
    for _ in range(_MOST_ROUNDS):
        before_round = text
        for name, step in steps:
            after = step(text)
            if after != text:
                history.append((name, text))
                text = after
        if text == before_round:
            return text, history
    return None, history


def _emptied(texts: Sequence[str], rows: Sequence[int], changed: dict[int, str]) -> set[int]:
    """Return the rows that had a text and have none any more."""
    candidates = {rows[index] for index, text in changed.items() if not text.strip()}
    if not candidates:
        return candidates
    had_text = {row for row, text in zip(rows, texts, strict=True) if row in candidates and text.strip()}
    have_text = {
        row
        for index, (row, text) in enumerate(zip(rows, texts, strict=True))
        if row in candidates and changed.get(index, text).strip()
    }
    return (candidates & had_text) - have_text
