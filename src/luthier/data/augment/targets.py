"""Which strings of a row may be altered: what a person asks, never what the model is to answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from luthier.data.augment.segment import Span

_USERS = ("user", "human")
_NEVER = frozenset(
    (
        "output",
        "completion",
        "response",
        "answer",
        "answers",
        "plausible_answers",
        "chosen",
        "rejected",
        "system",
        "tools",
        "tool_calls",
        "label",
        "labels",
        "tags",
        "ner_tags",
        "category",
    )
)
"""Keys whose strings, and all below them, are answers, rules or facts."""


@dataclass(frozen=True, slots=True)
class Target:
    """A string that may be altered.

    Args:
        pointer: Where it stands in the row (RFC 6901).
        text: As it stands there.
        frozen: Spans of it that must stay: answers that are read off a context.
    """

    pointer: str
    text: str
    frozen: tuple[Span, ...] = ()


def targets_of(row: Any, pointers: Sequence[str]) -> list[Target]:
    """Return what may be altered among the texts of a row.

    Of conversations only the user's turns; of question answering the question, and the context around
    its answers; of all rows nothing that stands under the name of an answer or a label.

    Args:
        row: A row of a file, or a sample as an object.
        pointers: Of its texts.
    """
    return [target for pointer in pointers if (target := _target(row, pointer))]


def is_never_altered(field: str) -> bool:
    """Return whether a field, dotted where nested, holds answers, rules or facts."""
    return any(key in _NEVER for key in field.split("."))


def keys_of(pointer: str) -> list[str]:
    """Return the keys of a JSON pointer."""
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


def value_at(row: Any, keys: Sequence[str]) -> Any:
    """Return what stands in a row under some keys."""
    for key in keys:
        row = row[int(key) if isinstance(row, list) else key]
    return row


def put(row: Any, pointer: str, text: str) -> None:
    """Replace a string in a row."""
    *above, last = keys_of(pointer)
    parent = value_at(row, above)
    parent[int(last) if isinstance(parent, list) else last] = text


def answers_on(parent: Any) -> Iterator[tuple[AnswerPlace, str]]:
    """Yield where the start of each answer to a context is noted, and the answer.

    Args:
        parent: What holds the context: a row of SQuAD's fields, with its answers as a list of objects or an
            object of lists, or a sample.
    """
    answers = parent.get("answers") if isinstance(parent, Mapping) else None
    if isinstance(answers, Mapping):
        for index, text in enumerate(answers["text"]):
            yield AnswerPlace(answers["answer_start"], index), text
    for answer in answers if isinstance(answers, list) else ():
        yield AnswerPlace(answer, "answer_start" if "answer_start" in answer else "start"), answer["text"]


@dataclass(frozen=True, slots=True)
class AnswerPlace:
    """Where the start of an answer is noted."""

    container: Any
    key: Any

    @property
    def start(self) -> int:
        """In characters of the context."""
        return int(self.container[self.key])

    def move_to(self, start: int) -> None:
        """Note another start."""
        self.container[self.key] = start


def _target(row: Any, pointer: str) -> Target | None:
    keys = keys_of(pointer)
    if any(key in _NEVER for key in keys) or not _is_asked(row, keys):
        return None
    text = value_at(row, keys)
    if not isinstance(text, str) or not text.strip():
        return None
    if keys[-1] != "context":
        return Target(pointer, text)
    try:
        spans = [
            (place.start, place.start + len(answer), answer)
            for place, answer in answers_on(value_at(row, keys[:-1]))
        ]
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    if any(text[start:end] != answer for start, end, answer in spans):
        return None  # a start that is wrong cannot be kept right
    return Target(pointer, text, tuple(merged([(start, end) for start, end, _ in spans])))


def merged(spans: Sequence[Span]) -> list[Span]:
    """Return spans in order, with those that overlap or touch as one."""
    result: list[Span] = []
    for start, end in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def _is_asked(row: Any, keys: Sequence[str]) -> bool:
    """Return whether a person says this, as far as the row tells who speaks."""
    if keys[0] == "history" and len(keys) == 3:
        return keys[2] == "0"
    for depth in range(1, len(keys)):
        above = value_at(row, keys[:depth])
        role = (above.get("role") or above.get("from")) if isinstance(above, Mapping) else None
        if isinstance(role, str) and role not in _USERS:
            return False
    return True
