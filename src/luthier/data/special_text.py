"""Special tokens that stand in content as characters: kept as characters, so that no content forges a turn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from luthier.data.sample import Message

_FIRST_STAND_IN = 0xF0000
"""Stand-ins are characters of a private-use plane: a template passes them on as it passes any text."""

_ANY_STAND_IN = re.compile("([\U000f0000-\U000ffffd])")


class SpecialText:
    """Swaps special tokens in content for stand-ins before a template renders it, and back afterwards.

    What is swapped is tokenized as plain characters. Content of the system, user and tool turns has
    every special token swapped; answers only those that mark turns, so that a model whose reasoning
    or tool marks are special tokens can learn them.

    Args:
        tokens: All special tokens.
        turn_marks: Those that begin or end turns.
    """

    def __init__(self, tokens: Iterable[str], turn_marks: Iterable[str] = ()) -> None:
        self.tokens = sorted({t for t in tokens if t}, key=lambda token: (-len(token), token))
        self._index = {token: number for number, token in enumerate(self.tokens)}
        self._any = _one_of(self.tokens)
        self._marks = _one_of([t for t in self.tokens if t in set(turn_marks)])

    def holds_special(self, messages: Iterable[Message], tools: Iterable[Mapping[str, Any]]) -> bool:
        """Whether anything that a user or an answer says holds the characters of a special token."""
        return any(self._any.search(text) for text in _texts_of([_fields(m) for m in messages], list(tools)))

    def holds_stand_in(self, messages: Iterable[Message], tools: Iterable[Mapping[str, Any]]) -> bool:
        """Whether the content already uses the private characters, so that stand-ins would be ambiguous."""
        return any(
            _ANY_STAND_IN.search(text) for text in _texts_of([_fields(m) for m in messages], list(tools))
        )

    def swap_message(self, message: Message) -> Message:
        """Return the message with stand-ins."""
        pattern = self._marks if message.role == "assistant" else self._any
        calls = tuple(self._swap(dict(call), pattern) for call in message.tool_calls)
        return replace(message, content=self._swap(message.content, pattern), tool_calls=calls)

    def swap_tool(self, tool: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the tool's description with stand-ins."""
        swapped: Mapping[str, Any] = self._swap(dict(tool), self._any)
        return swapped

    def split(self, text: str) -> list[tuple[bool, str]]:
        """Cut a text at its stand-ins; each piece says whether it is plain characters of a special token."""
        pieces = _ANY_STAND_IN.split(text)
        return [(number % 2 == 1, self.restore(piece)) for number, piece in enumerate(pieces) if piece]

    def restore(self, text: str) -> str:
        """Return the text with its special tokens written out."""
        return _ANY_STAND_IN.sub(lambda found: self.tokens[ord(found[0]) - _FIRST_STAND_IN], text)

    def without_tokens(self, text: str) -> str:
        """Return the text without its special tokens."""
        return self._any.sub("", text)

    def tail(self, text: str) -> list[tuple[str, int]]:
        """Return the special tokens at the end of a text, white space between them, with where each ends."""
        run: list[tuple[str, int]] = []
        end = len(text)
        while token := next((t for t in self.tokens if text.endswith(t, 0, end)), None):
            run.insert(0, (token, end))
            end = len(text[: end - len(token)].rstrip())
        return run

    def count(self, text: str) -> int:
        """Return the number of stand-ins in a rendered text."""
        return len(_ANY_STAND_IN.findall(text))

    def _swap(self, value: Any, pattern: re.Pattern[str]) -> Any:
        if isinstance(value, str):
            return pattern.sub(lambda found: chr(_FIRST_STAND_IN + self._index[found[0]]), value)
        if isinstance(value, Mapping):
            return {self._swap(k, pattern): self._swap(v, pattern) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._swap(entry, pattern) for entry in value]
        return value


def _one_of(tokens: list[str]) -> re.Pattern[str]:
    """Return a pattern that finds the longest of ``tokens``; none of them: nothing is ever found."""
    if not tokens:
        return re.compile(r"(?!)")
    first = "".join(sorted({re.escape(token[0]) for token in tokens}))
    return re.compile(f"(?=[{first}])(?:{'|'.join(map(re.escape, tokens))})")


def _fields(message: Message) -> list[Any]:
    return [message.content, [dict(call) for call in message.tool_calls]]


def _texts_of(*values: Any) -> Iterable[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _texts_of(*value.keys(), *value.values())
        elif isinstance(value, list | tuple):
            yield from _texts_of(*value)
