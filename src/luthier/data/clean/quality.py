"""Leave out rows by length, share of symbols, repetition, and the rules of known web corpora."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow

from luthier.data.clean.repetition import repetition_fault
from luthier.data.clean.units import units_of
from luthier.data.clean.web_rules import c4_fault, gopher_fault
from luthier.data.operators.batch import Verdict, leave_out

Rule = Literal["gopher_repetition", "gopher_quality", "c4"]

_FAULTS: dict[Rule, tuple[str, Callable[[str], str | None]]] = {
    "gopher_repetition": ("repetition", repetition_fault),
    "gopher_quality": ("gopher_quality", gopher_fault),
    "c4": ("c4", c4_fault),
}


@dataclass(frozen=True)
class QualityFilter:
    """Operator that leaves out rows; the texts of a row are judged together, a line break between them.

    Args:
        min_characters: White space at the ends does not count.
        max_characters: The same.
        min_words: In Chinese and Japanese each character counts as a word.
        max_words: The same.
        max_symbol_share: Characters that are no letters, digits or white space, as a share of all but
            white space.
        rules: Rules of published corpora.
    """

    min_characters: int | None = None
    max_characters: int | None = None
    min_words: int | None = None
    max_words: int | None = None
    max_symbol_share: float | None = None
    rules: Sequence[Rule] = ()

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Return the batch with the rows marked that are left out."""
        return leave_out(batch, lambda rows: [self._verdict("\n".join(filter(None, row))) for row in rows])

    def _verdict(self, text: str) -> Verdict:
        if verdict := self._length_verdict(text):
            return verdict
        if self.max_symbol_share is not None and (share := symbol_share(text)) > self.max_symbol_share:
            return (
                "symbols",
                f"{share:.0%} of it are symbols, at most {self.max_symbol_share:.0%} was asked for",
            )
        for rule in self.rules:
            reason, fault_of = _FAULTS[rule]
            if fault := fault_of(text):
                return reason, fault
        return None

    def _length_verdict(self, text: str) -> Verdict:
        if self.min_characters is not None or self.max_characters is not None:
            verdict = _length_verdict(
                len(text.strip()), self.min_characters, self.max_characters, "characters"
            )
            if verdict:
                return verdict
        if self.min_words is not None or self.max_words is not None:
            return _length_verdict(len(units_of(text)), self.min_words, self.max_words, "words")
        return None


def symbol_share(text: str) -> float:
    """Return the share of characters that are no letters, marks, digits or white space."""
    visible = [character for character in text if not character.isspace()]
    symbols = [c for c in visible if not c.isalnum() and unicodedata.category(c)[0] != "M"]
    return len(symbols) / len(visible) if visible else 0.0


def _length_verdict(length: int, least: int | None, most: int | None, unit: str) -> Verdict:
    if least is not None and length < least:
        return "too_short", f"it has {length:,} {unit}, at least {least:,} were asked for"
    if most is not None and length > most:
        return "too_long", f"it has {length:,} {unit}, at most {most:,} were asked for"
    return None
