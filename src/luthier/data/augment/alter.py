"""An operation on whole rows: labels, tags, answers and the assistant's turns stay what and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from luthier.core.errors import DataError
from luthier.data.augment.contract import Operation, TextOperation, WordOperation
from luthier.data.augment.segment import edit_text
from luthier.data.augment.targets import Target, answers_on, keys_of, put, targets_of, value_at
from luthier.data.augment.tokens import alter_tokens, tag_field


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row that new ones are made from.

    Args:
        source: Path of the file, as the user named it.
        number: From 1.
        row: The row, with its texts as the operators so far have left them.
        pointers: Of its texts.
    """

    source: str
    number: int
    row: Any
    pointers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Altered:
    """A new row.

    Args:
        row: The row.
        before: The altered texts as they were, by their place.
        after: As they are now.
    """

    row: Any
    before: dict[str, str]
    after: dict[str, str]


def asked_texts(source: SourceRow) -> list[str]:
    """Return what of a row could be altered; two rows with the same are duplicates."""
    if tag_field(source.row):
        return [str(token) for token in source.row["tokens"]]
    return [target.text for target in targets_of(source.row, source.pointers)]


def alter(
    sources: Sequence[SourceRow], operation: Operation, randoms: Sequence[Random]
) -> list[Altered | None]:
    """Return a new row for each, or None where the operation finds nothing to do.

    Raises:
        DataError: The operation cannot keep tags in place, and a row has some.
    """
    if isinstance(operation, WordOperation):
        return [_by_words(source, operation, random) for source, random in zip(sources, randoms, strict=True)]
    return _by_texts(sources, operation, randoms)


def _by_words(source: SourceRow, operation: WordOperation, random: Random) -> Altered | None:
    row = deepcopy(source.row)
    if field := tag_field(row):
        before = " ".join(map(str, row["tokens"]))
        if not alter_tokens(row, field, operation, random):
            return None
        return Altered(row, {"/tokens": before}, {"/tokens": " ".join(map(str, row["tokens"]))})
    before_after: dict[str, tuple[str, str]] = {}
    for target in targets_of(row, source.pointers):
        text, starts = edit_text(target.text, operation, random, frozen=target.frozen)
        if text == target.text:
            continue
        if target.frozen:
            _move_answers(row, target, starts)
        put(row, target.pointer, text)
        before_after[target.pointer] = (target.text, text)
    return _altered(row, before_after)


def _by_texts(
    sources: Sequence[SourceRow], operation: TextOperation, randoms: Sequence[Random]
) -> list[Altered | None]:
    chosen: list[list[Target]] = []
    for source in sources:
        if tag_field(source.row):
            raise DataError(
                f"{operation.kind} rewrites whole texts, so that no tag would stand at its token any more",
                where=f"{source.source}, row {source.number}",
                cure="rows of tokens and tags take synonyms, deletion, swap, insertion, typing, ocr, homophones "
                "and masking",
            )
        targets = [t for t in targets_of(source.row, source.pointers) if keys_of(t.pointer)[-1] != "context"]
        chosen.append(targets[:1] if operation.is_once_per_row else targets)
    flat = [(target, random) for targets, random in zip(chosen, randoms, strict=True) for target in targets]
    texts = iter(operation.rewrite([target.text for target, _ in flat], [random for _, random in flat]))
    altered = []
    for source, targets in zip(sources, chosen, strict=True):
        row = deepcopy(source.row)
        before_after = {}
        for target in targets:
            text = next(texts)
            if text != target.text:
                put(row, target.pointer, text)
                before_after[target.pointer] = (target.text, text)
        altered.append(_altered(row, before_after))
    return altered


def _altered(row: Any, before_after: dict[str, tuple[str, str]]) -> Altered | None:
    if not before_after:
        return None
    return Altered(
        row,
        {pointer: before for pointer, (before, _) in before_after.items()},
        {pointer: after for pointer, (_, after) in before_after.items()},
    )


def _move_answers(row: Any, target: Target, starts: Sequence[int]) -> None:
    """Note where the answers to a context start now."""
    for place, _ in answers_on(value_at(row, keys_of(target.pointer)[:-1])):
        span = next(i for i, (start, end) in enumerate(target.frozen) if start <= place.start <= end)
        place.move_to(starts[span] + place.start - target.frozen[span][0])
