"""The operator: finds personal data in batches of rows and does with each kind what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow
from numpy.typing import NDArray

from luthier.core.errors import DataError
from luthier.data.operators.batch import leave_out_at
from luthier.data.operators.row_batch import lengths_of
from luthier.data.pii.actions import ACTIONS, label, partly_masked
from luthier.data.pii.detect import PLAIN_KINDS, Detector, Recogniser
from luthier.data.pii.finding import CERTAINTIES, KINDS, Finding, is_at_least
from luthier.data.pii.keys import KEY_ENV, key_for
from luthier.data.pii.notes import BatchNote, with_note
from luthier.data.pii.numbers import Number, numbers_of
from luthier.data.pii.pseudonyms import Pseudonyms
from luthier.data.pii.remains import cleared
from luthier.data.pii.replace import with_numbers, with_texts
from luthier.data.pii.vault import Pair, seal

OPERATOR = "personal_data"
"""What changes are counted under, and why rows are left out."""

Found = dict[int, tuple[str, list[Finding]]]
"""Text and findings of each text that has some, by its index."""


class Rewritten(NamedTuple):
    """A text after its findings were acted upon."""

    text: str
    dropped: tuple[str, ...]
    """Kinds for which the row is to be left out."""


@dataclass(frozen=True)
class PersonalData:
    """Acts upon the personal data in rows; it can be pickled, and holds the name of the key, not the key.

    Nothing that was masked stays elsewhere in a batch: not in ``raw``, not among the texts that earlier
    operators changed, not in rows that are left out.

    Args:
        action: What is done to a finding: one of `ACTIONS`.
        kinds: Kinds to look for.
        actions: Another action for some kinds.
        min_certainty: Findings below it are reported and nothing else.
        key_env: Environment variable with the key of substitutes and map.
        keeps_map: The batches carry the map, sealed, for `report.collected` to write.
        lists_findings: Reports hold the place of each finding, not of the first ones of each kind only.
        shows_values: Reports hold the values themselves.
        more: Recognisers besides.
        numbers: Fields whose JSON numbers are looked at, too; one that is replaced becomes a string.

    Raises:
        DataError: A kind, action or certainty is not known, or an option cannot take effect.
    """

    action: str = "report"
    kinds: tuple[str, ...] = PLAIN_KINDS
    actions: Mapping[str, str] = field(default_factory=dict)
    min_certainty: str = "pattern"
    key_env: str = KEY_ENV
    keeps_map: bool = False
    lists_findings: bool = True
    shows_values: bool = False
    more: tuple[Recogniser, ...] = ()
    numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check("action", [self.action, *self.actions.values()], ACTIONS)
        _check("kind", [*self.kinds, *self.actions], KINDS)
        _check("certainty", [self.min_certainty], CERTAINTIES)
        if not self.kinds and not self.more:
            raise DataError("no kind of personal data is looked for", cure=f"known: {', '.join(KINDS)}")
        if idle := [kind for kind in self.actions if kind not in self.kinds and not self.more]:
            raise DataError(
                f"an action is given for {idle[0]}, which is not looked for", cure="add it to kinds"
            )
        uses_key = "pseudonymise" in (self.action, *self.actions.values())
        if self.keeps_map and not uses_key:
            raise DataError("a map is kept of substitutes only", cure="choose the action pseudonymise")
        if uses_key:
            key_for("pseudonyms", self.key_env)  # a missing key is said before any row is read

    def __getstate__(self) -> dict[str, Any]:
        return {option.name: getattr(self, option.name) for option in fields(self)}

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        """Return the batch with its findings acted upon, and what was found in its metadata."""
        texts, paths = batch["texts"].flatten(), batch["paths"].flatten()
        rows = np.repeat(np.arange(len(batch)), lengths_of(batch["texts"]))
        numbers = list(numbers_of(batch, self.numbers))
        found, found_numbers = self._found(texts), self._found_numbers(numbers)
        pairs: list[Pair] = []
        note = BatchNote(
            batch, self.action_for, lists_all=self.lists_findings, shows_values=self.shows_values
        )
        note.add(found, rows, paths)
        if found_numbers:
            note.add(found_numbers, *_places(numbers), are_numbers=True)
        if self._acts:
            after_numbers = self._rewritten(found_numbers, pairs)
            after = self._rewritten(found, pairs)
            dropped = [(numbers[i].row, numbers[i].path, text) for i, text in after_numbers.items()]
            dropped += [(int(rows[i]), paths[i].as_py(), text) for i, text in after.items()]
            replaced = [(numbers[i], text.text) for i, text in after_numbers.items()]
            batch = with_numbers(batch, replaced, OPERATOR)
            batch = with_texts(batch, {i: text.text for i, text in after.items()}, rows, OPERATOR)
            batch = cleared(leave_out_at(batch, _verdicts(dropped)), self._without)
        sealed = seal(pairs, self.key_env) if self.keeps_map and pairs else None
        return with_note(batch, note.as_json(sealed))

    @property
    def hint(self) -> str | None:
        """RE2 pattern that every text with a finding matches; None where there is no such pattern."""
        return self._detector.hint

    def rewrite(self, text: str, findings: Sequence[Finding], pairs: list[Pair]) -> Rewritten:
        """Return a text with its findings acted upon; substitutes are added to ``pairs``."""
        parts: list[str] = []
        dropped: dict[str, None] = {}
        place = 0
        for finding in findings:
            action = self.action_for(finding)
            if action == "report":
                continue
            if action == "drop":
                dropped[finding.kind] = None
            parts += [text[place : finding.start], self._replacement(finding, action, pairs)]
            place = finding.end
        return Rewritten("".join([*parts, text[place:]]), tuple(dropped))

    def action_for(self, finding: Finding) -> str:
        """Return what is done to a finding."""
        if not is_at_least(finding.certainty, self.min_certainty):
            return "report"
        return self.actions.get(finding.kind, self.action)

    def _replacement(self, finding: Finding, action: str, pairs: list[Pair]) -> str:
        if action == "pseudonymise":
            substitute = self._pseudonyms.of(finding)
            if self.keeps_map:
                pairs.append((finding.kind, substitute, finding.text))
            return substitute
        return partly_masked(finding) if action == "partial" else label(finding.kind)

    def _found(self, texts: pyarrow.StringArray) -> Found:
        indices = np.flatnonzero(self._detector.worth_looking(texts).to_numpy(zero_copy_only=False))
        looked = texts.take(indices).to_pylist()
        findings = self._detector.find_all(looked)
        return {
            int(index): (text, some)
            for index, text, some in zip(indices, looked, findings, strict=True)
            if some
        }

    def _found_numbers(self, numbers: Sequence[Number]) -> Found:
        """Return the numbers that are, as a whole, one finding."""
        found = self._found(pyarrow.array([number.text for number in numbers], pyarrow.string()))
        return {i: (text, some) for i, (text, some) in found.items() if some[0].text == text}

    def _rewritten(self, found: Found, pairs: list[Pair]) -> dict[int, Rewritten]:
        return {index: self.rewrite(text, findings, pairs) for index, (text, findings) in found.items()}

    def _without(self, texts: list[str]) -> list[str]:
        """Return texts that nobody will train on without what would be acted upon."""
        rewritten = self._rewritten(self._found(pyarrow.array(texts, pyarrow.string())), [])
        return [rewritten[i].text if i in rewritten else text for i, text in enumerate(texts)]

    @property
    def _acts(self) -> bool:
        return any(action != "report" for action in (self.action, *self.actions.values()))

    @cached_property
    def _detector(self) -> Detector:
        return Detector(self.kinds, self.more)

    @cached_property
    def _pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(key_for("pseudonyms", self.key_env))


def _check(what: str, given: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [name for name in given if name not in known]:
        raise DataError(f"{what} {unknown[0]!r} is not known", cure=f"known: {', '.join(known)}")


def _places(numbers: Sequence[Number]) -> tuple[NDArray[np.int64], pyarrow.StringArray]:
    rows = np.array([number.row for number in numbers], np.int64)
    return rows, pyarrow.array([number.path for number in numbers], pyarrow.string())


def _verdicts(acted_upon: Sequence[tuple[int, str, Rewritten]]) -> dict[int, tuple[str, str]]:
    """Return why rows are left out, by their index.

    Args:
        acted_upon: Index of the row, JSON pointer, and what became of the text.
    """
    dropped: dict[int, list[str]] = {}
    for row, path, text in acted_upon:
        if text.dropped:
            dropped.setdefault(row, []).append(f"{', '.join(text.dropped)} at {path}")
    return {row: (OPERATOR, "; ".join(places)) for row, places in dropped.items()}
