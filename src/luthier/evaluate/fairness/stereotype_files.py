"""Files of stereotypes in the formats of CrowS-Pairs and BBQ: read strictly, with row and field of every fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from luthier.core.errors import DataError
from luthier.data.sources import read_rows
from luthier.recipe.evaluate_sections.fairness import TARGETS_FILE


@dataclass(frozen=True)
class SentencePair:
    """Two sentences that differ in the group only.

    Args:
        more: The one that is more stereotyping.
        less: The other.
        category: E.g. ``race-color``.
    """

    more: str
    less: str
    category: str


@dataclass(frozen=True)
class BbqItem:
    """A question about two people, with three answers, one of which is that nobody knows.

    Args:
        context: What is told.
        question: What is asked.
        answers: Three.
        label: Number of the right answer.
        unknown: Number of the answer that says that one cannot know.
        biased: Number of the answer that agrees with the stereotype.
        is_ambiguous: Whether the context leaves it open.
        category: E.g. ``Age``.
    """

    context: str
    question: str
    answers: tuple[str, str, str]
    label: int
    unknown: int
    biased: int
    is_ambiguous: bool
    category: str


def read_crows_pairs(path: Path) -> list[SentencePair]:
    """Return the pairs of a CSV file with the columns sent_more, sent_less and bias_type.

    Raises:
        DataError: A row lacks one of them, or there is no row.

    Reference: N. Nangia et al., CrowS-Pairs, arXiv:2010.00133.
    """
    pairs = [
        SentencePair(
            _text(row, "sent_more", where), _text(row, "sent_less", where), _text(row, "bias_type", where)
        )
        for where, row in _rows(path)
    ]
    return _some(pairs, path)


def read_bbq(path: Path) -> tuple[list[BbqItem], int]:
    """Return the items of a JSONL file, and how many lines name no answer that agrees with the stereotype.

    Which answer does follows from the question's polarity: a negative one is answered by the stereotyped group, another
    one by the other group. Which it is, says BBQ's own ``additional_metadata.csv`` where it lies beside the file;
    else it is told from the groups that a line names, which is unclear where both people belong to one.

    Raises:
        DataError: A line lacks a field, or no line can be judged.

    Reference: A. Parrish et al., BBQ: A Hand-Built Bias Benchmark for Question Answering, arXiv:2110.08193.
    """
    items, num_unclear = [], 0
    targets = _targets_beside(path)
    for where, row in _rows(path):
        item = _bbq_item(row, where, targets)
        if item is None:
            num_unclear += 1
        else:
            items.append(item)
    return _some(items, path), num_unclear


def evenly(items: Sequence[Any], count: int | None) -> list[Any]:
    """Return as many items, at equal distances, so that every part of a sorted file is there."""
    if count is None or count >= len(items):
        return list(items)
    return [items[int(place)] for place in np.linspace(0, len(items) - 1, count)]


def _targets_beside(path: Path) -> dict[tuple[str, str, str], int]:
    """Return which answer agrees with the stereotype, by category, question and example."""
    beside = path.with_name(TARGETS_FILE)
    if not beside.is_file():
        return {}
    return {
        (str(row.get("category")), str(row.get("question_index")), str(row.get("example_id"))): int(place)
        for _, row in _rows(beside)
        if (place := str(row.get("target_loc"))) in ("0", "1", "2")
    }


def _bbq_item(
    row: Mapping[str, Any], where: str, targets: Mapping[tuple[str, str, str], int]
) -> BbqItem | None:
    answers = tuple(_text(row, f"ans{number}", where) for number in range(3))
    info, further = row.get("answer_info"), row.get("additional_metadata")
    if not isinstance(info, Mapping) or not isinstance(further, Mapping):
        raise DataError("has no answer_info or no additional_metadata", where=where, cure=_CURE)
    groups = []
    for number in range(3):
        words = info.get(f"ans{number}")
        if not isinstance(words, list) or not words:
            raise DataError(f"answer_info.ans{number} is no list of texts", where=where, cure=_CURE)
        groups.append([str(word).casefold() for word in words])
    label = row.get("label")
    if label not in (0, 1, 2) or isinstance(label, bool):
        raise DataError(f"label is {label!r}, 0, 1 or 2 was expected", where=where, cure=_CURE)
    condition = _one_of(row, "context_condition", ("ambig", "disambig"), where)
    polarity = _one_of(row, "question_polarity", ("neg", "nonneg"), where)
    unknown = [number for number in range(3) if groups[number][-1] == "unknown"]
    named = {_plain(group) for group in further.get("stereotyped_groups") or ()}
    others = [number for number in range(3) if number not in unknown]
    key = (str(row.get("category")), str(row.get("question_index")), str(row.get("example_id")))
    meant = [number for number in others if _plain(groups[number][-1]) in named]
    meant = meant or [number for number in others if _names_group(groups[number], named)]
    if len(unknown) != 1 or (key not in targets and len(meant) != 1):
        return None
    if key in targets:
        biased = targets[key]
    else:
        biased = meant[0] if polarity == "neg" else next(number for number in others if number != meant[0])
    return BbqItem(
        context=_text(row, "context", where),
        question=_text(row, "question", where),
        answers=(answers[0], answers[1], answers[2]),
        label=int(label),
        unknown=unknown[0],
        biased=biased,
        is_ambiguous=condition == "ambig",
        category=_text(row, "category", where),
    )


_CURE = "the file must be in BBQ's own format, a JSON object per line"
_SHORT = {"f": "female", "m": "male", "woman": "female", "man": "male", "girl": "female", "boy": "male"}


def _plain(group: object) -> str:
    """Return a group without case and spaces: ``low SES`` is ``lowSES``, ``F`` is female."""
    text = str(group).casefold().replace(" ", "")
    return _SHORT.get(text, text)


def _names_group(words: Sequence[str], named: set[str]) -> bool:
    """Whether an answer's group has a stereotyped one in it, e.g. ``F-Black``; or its text names it."""
    return bool({_plain(part) for part in words[-1].split("-")} & named or _plain(words[0]) in named)


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in read_rows(path):
        where = f"{path}, row {number}"
        if not isinstance(row, Mapping):
            raise DataError(f"holds {type(row).__name__}, no object", where=where)
        yield where, row


def _text(row: Mapping[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        known = ", ".join(str(key) for key in list(row)[:12])
        raise DataError(f"has no text in field {field!r}", where=where, cure=f"the row has: {known}")
    return value


def _one_of(row: Mapping[str, Any], field: str, known: tuple[str, ...], where: str) -> str:
    value = _text(row, field, where)
    if value not in known:
        raise DataError(f"{field} is {value!r}, {' or '.join(known)} was expected", where=where, cure=_CURE)
    return value


def _some(items: list[Any], path: Path) -> list[Any]:
    if not items:
        raise DataError(
            "no row can be judged",
            where=str(path),
            cure="the file must be in the format that it was published in",
        )
    return items
