"""The operator: finds personal data in batches of rows and does with each kind what was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as compute

from luthier.core.errors import DataError
from luthier.data.operators.batch import json_of, text_paths, with_columns
from luthier.data.operators.row_batch import CHANGES, list_array
from luthier.data.pii.actions import ACTIONS, label, partly_masked
from luthier.data.pii.detect import PLAIN_KINDS, Detector, Recogniser
from luthier.data.pii.finding import CERTAINTIES, KINDS, Finding, is_at_least
from luthier.data.pii.keys import KEY_ENV, key_for
from luthier.data.pii.pseudonyms import Pseudonyms
from luthier.data.pii.vault import Pair, seal
from luthier.data.row_json import dumps, loads

OPERATOR = "personal_data"
"""What changes are counted under, and why rows are left out."""

METADATA = b"luthier.personal_data"
"""Under this key of its schema's metadata a batch carries what was found in it; `report.collected` takes it."""


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
        shows_values: Reports hold the values themselves.
        more: Recognisers besides.

    Raises:
        DataError: A kind, action or certainty is not known, or an option cannot take effect.
    """

    action: str = "report"
    kinds: tuple[str, ...] = PLAIN_KINDS
    actions: Mapping[str, str] = field(default_factory=dict)
    min_certainty: str = "pattern"
    key_env: str = KEY_ENV
    keeps_map: bool = False
    shows_values: bool = False
    more: tuple[Recogniser, ...] = ()

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
        texts = batch["texts"].flatten()
        rows_of_texts = np.repeat(np.arange(len(batch)), _lengths(batch["texts"]))
        found = self._found(texts)
        pairs: list[Pair] = []
        after = {index: self.rewrite(text, findings, pairs) for index, (text, findings) in found.items()}
        notes = self._notes(batch, found, rows_of_texts)
        if self._acts:
            batch = _with_texts(
                batch, texts, {index: text.text for index, text in after.items()}, rows_of_texts
            )
            batch = _leave_out(batch, after, rows_of_texts)
            batch = _cleared(batch, self._without)
        sealed = seal(pairs, self.key_env) if self.keeps_map and pairs else None
        return _with_note(batch, {"rows": len(batch), "findings": notes, "sealed": sealed})

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

    def _found(self, texts: pyarrow.StringArray) -> dict[int, tuple[str, list[Finding]]]:
        """Return text and findings of each text that has some, by its index."""
        indices = np.flatnonzero(self._detector.worth_looking(texts).to_numpy(zero_copy_only=False))
        looked = texts.take(indices).to_pylist()
        findings = self._detector.find_all(looked)
        return {
            int(index): (text, some)
            for index, text, some in zip(indices, looked, findings, strict=True)
            if some
        }

    def _without(self, texts: list[str]) -> list[str]:
        """Return texts that nobody will train on without what would be acted upon."""
        found = self._found(pyarrow.array(texts, pyarrow.string()))
        return [
            self.rewrite(text, found[i][1], []).text if i in found else text for i, text in enumerate(texts)
        ]

    def _notes(
        self,
        batch: pyarrow.RecordBatch,
        found: Mapping[int, tuple[str, list[Finding]]],
        rows: np.ndarray[Any, Any],
    ) -> list[dict[str, Any]]:
        """Return a note of each finding, with its place."""
        indices = np.fromiter(found, np.int64, len(found))
        paths = batch["paths"].flatten().take(indices).to_pylist()
        sources, numbers = (batch[name].take(rows[indices]).to_pylist() for name in ("source", "row"))
        notes = []
        for source, number, path, (_, findings) in zip(sources, numbers, paths, found.values(), strict=True):
            for finding in findings:
                notes.append({"source": source, "row": number, "path": path, **self._note(finding)})
        return notes

    def _note(self, finding: Finding) -> dict[str, Any]:
        return {
            "kind": finding.kind,
            "certainty": finding.certainty,
            "action": self.action_for(finding),
            "start": finding.start,
            "end": finding.end,
            "excerpt": finding.text if self.shows_values else partly_masked(finding),
        }

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


def _lengths(lists: pyarrow.ListArray) -> np.ndarray[Any, Any]:
    return np.asarray(compute.list_value_length(lists))


def _with_texts(
    batch: pyarrow.RecordBatch,
    texts: pyarrow.StringArray,
    after: Mapping[int, str],
    rows: np.ndarray[Any, Any],
) -> pyarrow.RecordBatch:
    """Return the batch with some texts replaced; what they were is noted as a change without the text."""
    if not after:
        return batch
    places = np.fromiter(after, np.int64, len(after))
    values = pyarrow.array(after.values(), pyarrow.string())
    is_new = compute.not_equal(texts.take(places), values)
    places = places[is_new.to_numpy(zero_copy_only=False)]
    if not len(places):
        return batch
    notes = pyarrow.StructArray.from_arrays(
        [
            pyarrow.repeat(OPERATOR, len(places)),
            batch["paths"].flatten().take(places),
            pyarrow.nulls(len(places), pyarrow.string()),
        ],
        fields=list(CHANGES.value_type),
    )
    batch = with_columns(
        batch,
        texts=list_array(_lengths(batch["texts"]), _replaced(texts, places, values.filter(is_new))),
        changes=_appended(batch["changes"], rows[places], notes),
    )
    return _with_raw(batch, np.unique(rows[places]), json_of)


def _replaced(
    column: pyarrow.StringArray, places: np.ndarray[Any, Any], values: pyarrow.StringArray
) -> pyarrow.StringArray:
    mask = np.zeros(len(column), bool)
    mask[places] = True
    return compute.replace_with_mask(column, mask, values)


def _appended(
    changes: pyarrow.ListArray, rows: np.ndarray[Any, Any], notes: pyarrow.StructArray
) -> pyarrow.ListArray:
    """Return the changes with notes added to the rows that they belong to; the rows are sorted."""
    num_old = _lengths(changes)
    lengths = num_old + np.bincount(rows, minlength=len(changes))
    if not num_old.any():
        return list_array(lengths, notes)
    owners = np.concatenate([np.repeat(np.arange(len(changes)), num_old), rows])
    both = pyarrow.concat_arrays([changes.flatten(), notes])
    return list_array(lengths, both.take(np.argsort(owners, kind="stable")))


def _leave_out(
    batch: pyarrow.RecordBatch, after: Mapping[int, Rewritten], rows: np.ndarray[Any, Any]
) -> pyarrow.RecordBatch:
    dropped: dict[int, list[str]] = {}
    paths = batch["paths"].flatten()
    for index, text in after.items():
        if text.dropped:
            place = f"{', '.join(text.dropped)} at {paths[index].as_py()}"
            dropped.setdefault(int(rows[index]), []).append(place)
    if not dropped:
        return batch
    reasons, details = batch["reason"].to_pylist(), batch["detail"].to_pylist()
    for row, places in dropped.items():
        if reasons[row] is None:
            reasons[row], details[row] = OPERATOR, "; ".join(places)
    return with_columns(
        batch,
        reason=pyarrow.array(reasons, pyarrow.string()),
        detail=pyarrow.array(details, pyarrow.string()),
    )


def _cleared(batch: pyarrow.RecordBatch, without: Callable[[list[str]], list[str]]) -> pyarrow.RecordBatch:
    """Return the batch without personal data in earlier versions of its texts and in rows that are left out."""
    befores = batch["changes"].flatten().field("before").drop_null().to_pylist()
    if befores:
        cleared = iter(without(befores))
        entries = batch["changes"].to_pylist()
        for change in (change for row in entries for change in row):
            if change["before"] is not None:
                change["before"] = next(cleared)
        batch = with_columns(batch, changes=pyarrow.array(entries, CHANGES))

    def cleared_rows(some: pyarrow.RecordBatch) -> Iterator[bytes]:
        for raw in some["raw"].to_pylist():
            yield dumps(_rewritten(loads(raw.encode()), without))

    left_out = np.flatnonzero(batch["reason"].is_valid().to_numpy(zero_copy_only=False))
    return _with_raw(batch, left_out, cleared_rows)


def _rewritten(row: Any, without: Callable[[list[str]], list[str]]) -> Any:
    """Return a row with each string in it rewritten, whatever the row is."""
    rewritten = iter(without([text for _, text in text_paths(row, ["**"])]))

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return next(rewritten)
        if isinstance(value, dict):
            return {name: walk(part) for name, part in value.items()}
        return [walk(part) for part in value] if isinstance(value, list) else value

    return walk(row)


def _with_raw(
    batch: pyarrow.RecordBatch,
    indices: np.ndarray[Any, Any],
    json_rows: Callable[[pyarrow.RecordBatch], Iterable[bytes]],
) -> pyarrow.RecordBatch:
    """Return the batch as if some rows had been read as ``json_rows`` makes them."""
    if not len(indices):
        return batch
    rows = pyarrow.array(list(json_rows(batch.take(indices))), pyarrow.string())
    edited = batch["edited"]
    if edited.null_count < len(edited):
        edited = _replaced(edited, indices, pyarrow.nulls(len(indices), pyarrow.string()))
    return with_columns(batch, raw=_replaced(batch["raw"], indices, rows), edited=edited)


def _with_note(batch: pyarrow.RecordBatch, note: Mapping[str, Any]) -> pyarrow.RecordBatch:
    metadata = dict(batch.schema.metadata or {})
    notes = json.loads(metadata.get(METADATA, b"[]"))
    metadata[METADATA] = json.dumps([*notes, note], ensure_ascii=False).encode()
    return batch.replace_schema_metadata(metadata)
